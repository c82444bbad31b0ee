#!/bin/sh
# oassl-conform must be red, and say where, for every mistake of broken_plugin.c; and green without one.
# usage: broken.sh path/to/oassl-conform path/to/conform_broken.so
conform=$1
plugin=$2
bad=0

# mistake, cases to run, what the output must contain
expect() {
    output=$(OASSL_BREAK=$1 "$conform" --backend "$plugin" --op "$2")
    code=$?
    if [ $code -ne 1 ]; then
        echo "mistake $1: oassl-conform --op $2 exits with $code, not 1"
        bad=1
    fi
    if ! printf '%s\n' "$output" | grep -q -- "$3"; then
        echo "mistake $1: nothing in the output matches '$3':"
        printf '%s\n' "$output" | tail -n 5
        bad=1
    fi
    printf '%s\n' "$output" | grep '^FAIL' | head -n 1
}

expect relu_value relu/ "^FAIL relu/f32/.*element .*expected .* got "
expect add_beyond add/ "^FAIL add/f32/.*wrote outside output .* 1 bytes after\|^FAIL add/f32/.*wrote outside"
expect sub_before sub/ "^FAIL sub/f32/.*wrote outside output .* before its"
expect softmax_input softmax/ "^FAIL softmax/f32/.*changed its input"
expect conv_tail conv2d/ "^FAIL conv2d/f32/.*17_.*got -\{0,1\}nan"
expect conv_groups_dilated conv2d/ "^FAIL conv2d/f32/dilation2_groups2"
expect max_tie reduce_max_grad/ "^FAIL reduce_max_grad/f32/.*ties"
expect norm_variance batch_norm/ "^FAIL batch_norm/f32/"
expect matmul_state matmul/ "^FAIL matmul/f32/.*second run"
expect gelu_fused chains "^FAIL chains/f32/linear_gelu.*with fusion"
expect gather_index interface "^FAIL interface/f32/gather_index"

# the shapes that are right stay green, so the name of the case tells something
for clean in "conv_tail conv2d/f32/3x3_s1_p1_n1_64to64" "gelu_fused gelu/" "none relu/"; do
    set -- $clean
    if ! OASSL_BREAK=$1 "$conform" --backend "$plugin" --op "$2" > /dev/null; then
        echo "mistake $1: oassl-conform --op $2 should be green"
        bad=1
    fi
done
exit $bad
