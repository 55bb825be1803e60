#include "where.h"

namespace outer {
template <typename T> struct box {
	__attribute__((noinline)) void site(T)
	{
		where(__LINE__);
		__asm__ volatile("");
	}
};
}

namespace {
__attribute__((noinline)) void nameless()
{
	where(__LINE__);
	__asm__ volatile("");
}
}

int main()
{
	outer::box<int>().site(1);
	outer::box<char *>().site(nullptr);
	nameless();
}
