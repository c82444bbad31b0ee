#!/bin/sh
# What a CPU cannot compute in is refused with the reason: oneDNN told to use nothing beyond AVX2.
conform=$1 plugin=$2 bad=0
for row in "bf16:bf16 needs a CPU with avx512_core_bf16" "int8:int8 needs a CPU with avx512_core_vnni"; do
    op=${row%%:*} reason=${row#*:}
    output=$(ONEDNN_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=AVX2 "$conform" --backend "$plugin" --op "$op")
    printf '%s\n' "$output" | grep -q "^skipped .* $op/f32: .*$reason" && printf '%s\n' "$output" | grep -q ' 0 passed, 0 failed' && continue
    echo "$op: expected every case to be refused with \"$reason\", got:"
    printf '%s\n' "$output" | tail -n 3
    bad=1
done
exit $bad
