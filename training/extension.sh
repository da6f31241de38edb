#!/bin/sh
# Context extension by a short fine-tuning: position interpolation and the NTK base, each with full and with LongLoRA's shifted sparse
# attention, from weights trained on 1,024 tokens to 4,096; then perplexity and pass keys of each, beside the same weights untouched.
#
#   sh extension.sh WEIGHTS SHARD_OF_4096_TOKEN_ROWS CORPUS OUT [MINUTES_A_RUN]
set -eu
weights=$1 shard=$2 corpus=$3 out=$4 minutes=${5:-5}
mkdir -p "$out"

tune() {
    name=$1
    shift
    python train.py --data "$shard" --init "$weights" --run "$out/$name" --minutes "$minutes" --batch-tokens 8192 --micro-tokens 4096 \
        --peak 0.002 --peak-embed 0.0003 --warmup 0.1 --cooldown 0.9 "$@"
}

measure() {
    python extend.py --model "$1" --tokenizer tokenizer.model --corpus "$corpus" --limit-chars 60e6 --methods "no scaling" \
        --trained 1024 --factors 1,2,4,8 --trials 2 --rows 3 --out "$out/$2"
}

# The base that turns the slowest pair as position interpolation would: theta * 4^(64/62).
tune pi --interpolation 4
tune pi-shifted --interpolation 4 --groups 4
tune ntk --theta 41829
tune ntk-shifted --theta 41829 --groups 4
measure "$weights" untouched
for name in pi pi-shifted ntk ntk-shifted; do
    measure "$out/$name/weights.pt" "$name"
done
