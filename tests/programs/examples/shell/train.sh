# Metrics of a shell script: a JSON object a line.
lr=${1#--lr=}
weight=1
for epoch in 0 1 2; do
    loss=$(awk "BEGIN {print $weight * $weight}")
    echo "{\"step\": $epoch, \"loss\": $loss}" >> "$CNNJOBS_METRICS"
    weight=$(awk "BEGIN {print $weight * (1 - 2 * $lr)}")
done
