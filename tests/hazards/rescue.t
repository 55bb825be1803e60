#!/usr/bin/env bash
# Programs that ask for O_DIRECT themselves and do not align: as if buffered.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

chunk=$((64 << 10))

for mode in rdonly wronly rdwr skew append dsync sync rwf nowait; do
	rescued "matrix $mode" --chunk 64K -- "$PROGS/matrix" $mode $chunk
	case $mode in
	rwf | nowait) ;;	# RWF_ flags go through the page cache
	*) went_direct "matrix $mode" ;;
	esac
done
rescued "ends of files" --chunk 64K -- "$PROGS/matrix_eof" $chunk
rescued "vectors" --chunk 64K -- "$PROGS/matrix_iov" $chunk
rescued "random calls" --chunk 64K -- "$PROGS/matrix_random" $chunk 7 4000
rescued "bad addresses" -- "$PROGS/badaddr"
rescued "limits" -- "$PROGS/limits" fsize

done_testing
