# Sourced by bench/run: the facts of the machine, one "name  value" a line.

fact() { printf '%-13s%s\n' "$1" "$2"; }

# of FILE...: the first line of each, "?" for what cannot be read.
of() {
	local f line
	for f; do
		line='?'
		read -r line 2>/dev/null <"$f"
		printf '%s ' "$line"
	done
}

# The block device below the scratch folder; a partition has its disk's queue.
block_device() {
	local dev q

	dev=$(readlink -f "/sys/dev/block/$(file device "$scratch")")
	q=$dev/queue
	[ -d "$q" ] || q=${dev%/*}/queue
	if [ ! -d "$q" ]; then
		echo "none that sysfs knows (more than one, or the network)"
		return
	fi
	set -- $(of "$q"/{logical_block_size,physical_block_size,read_ahead_kb,max_sectors_kb,nr_requests,rotational})
	echo "${dev##*/}, blocks of $1 (physical $2), read-ahead $3 KiB, largest request $4 KiB," \
		"$5 requests, rotational $6, scheduler $(<"$q/scheduler")"
}

dirty_limits() {
	local vm=/proc/sys/vm
	set -- $(of $vm/dirty_background_ratio $vm/dirty_ratio $vm/dirty_background_bytes $vm/dirty_bytes)
	echo "write-back begins at $1 % dirty, writers wait at $2 % (in bytes: $3, $4)"
}

# meminfo NAME: in GiB.
meminfo() { awk -v n="$1:" '$1 == n { printf "%.1f", $2 / 1048576 }' /proc/meminfo; }

machine() {
	fact kernel "$(uname -srm)"
	fact processor "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo) x $(nproc)"
	fact memory "$(meminfo MemTotal) GiB, $(meminfo MemAvailable) available, $(meminfo Cached) in the page cache"
	fact "page cache" "$(dirty_limits)"
	fact "huge pages" "$(cat /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null || echo none)"
	fact scratch "$(file system "$scratch"), direct I/O alignment (memory offset) by statx: $(file align "$data")"
	fact device "$(block_device)"
	fact "kernel has" "$(file kernel "$scratch/small")"
	fact "C library" "$(getconf GNU_LIBC_VERSION 2>/dev/null || echo unknown)"
	fact fio "$(fio --version 2>/dev/null || echo "not installed")"
}
