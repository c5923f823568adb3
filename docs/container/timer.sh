#!/bin/sh
# Runs what crontab.example runs, at the same times by UTC, and ends with what runs when it is told to. One command of a
# kind at a time: each takes locks of its own. What fails says so in the container's log, and goes on in its next hour.
set -u

running=''
waiting=''

end() {
  trap '' TERM INT
  for one in $running $waiting; do kill "$one" 2>/dev/null; done
  wait
  exit 143
}
trap end TERM INT

begin() {
  ironforge -q "$@" &
  running="$running $!"
}

still_running() {
  left=''
  for one in $running; do kill -0 "$one" 2>/dev/null && left="$left $one"; done
  running=$left
}

# The first hour needs no waiting for; names of items follow where there are none.
begin collect
while :; do
  now=$(date -u +%s)
  next=$((now - now % 60 + 60))
  sleep $((next - now)) &
  waiting=$!
  wait "$waiting"
  still_running
  # Alerts, once there is a file of what to watch.
  rules=${RULES:-/etc/ironforge/rules.toml}
  case $(date -u -d "@$next" +%H:%M) in
    05:05) begin partitions maintain ;;
    06:10) begin seed all ;;
    *:20) begin status --check --max-age 2h ;;
    *:30) begin poll ;;
    *:03) [ -e "$rules" ] && begin watch --rules "$rules" --webhook-file "${rules%/*}/webhooks" ;;
  esac
done
