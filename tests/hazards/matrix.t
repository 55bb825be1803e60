#!/usr/bin/env bash
# Every data call over skews, offsets and lengths around block, page and chunk.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

small=$((64 << 10))
large=$((1 << 20))

for mode in rdonly wronly rdwr skew append dsync sync rwf nowait; do
	transcript "matrix $mode, chunks of 64 KiB" --chunk 64K --pool 1M -- "$PROGS/matrix" $mode $small
	case $mode in
	rwf | nowait) ;;	# RWF_ flags go through the page cache
	*) went_direct "matrix $mode" ;;
	esac
done
for mode in rdonly rdwr skew; do
	transcript "matrix $mode, chunks of 1 MiB" -- "$PROGS/matrix" $mode $large
	went_direct "matrix $mode, chunks of 1 MiB"
done
transcript "matrix rdwr, a pool of one chunk" --chunk 64K --pool 64K -- "$PROGS/matrix" rdwr $small

for chunk in $small $large; do
	transcript "ends of files, chunk $chunk" --chunk $chunk -- "$PROGS/matrix_eof" $chunk
	went_direct "ends of files"
	transcript "vectors, chunk $chunk" --chunk $chunk -- "$PROGS/matrix_iov" $chunk
	went_direct "vectors"
	for seed in 1 2 3; do
		transcript "random calls, chunk $chunk, seed $seed" --chunk $chunk -- \
			"$PROGS/matrix_random" $chunk $seed 2500
	done
	went_direct "random calls"
done

transcript "random calls, mode off" --mode off -- "$PROGS/matrix_random" $small 4 2500

done_testing
