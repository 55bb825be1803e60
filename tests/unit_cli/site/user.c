/* Calls the sites of a shared library. */
void plain_site(void);
void inlined_site(void);

int main(void)
{
	plain_site();
	inlined_site();
	return 0;
}
