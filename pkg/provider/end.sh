# usage: sh -c THIS sh ID SIGNAL [guard]
# Ends the command that mkube has run as ID, with all that it has started: by SIGNAL, and
# a second later by SIGKILL. A guard first waits for its input. When that ends and the
# command has ended before, what it has left in the background may stay.
trap '' HUP INT TERM PIPE
id=$1 signal=$2 file=/tmp/mkube-exec-$1

# alive sets pid to the command's process if that still runs. The file has its number and
# the rest of its stat file, where the 20th field is the time of its start: numbers are used
# again.
alive() {
  read -r pid then <"$file" && read -r now <"/proc/$pid/stat" || return 1
  now=${now##*) }
  case $now in [ZX]*) return 1 ;; esac
  [ "$(field20 $then)" = "$(field20 $now)" ]
} 2>/dev/null
field20() { echo "${20}"; }

if [ "${3:-}" = guard ]; then
  read -r word
  if [ "$word" != end ] && [ -e "$file" ] && ! alive; then
    rm -f "$file"
    exit 0
  fi
fi

# left lists the processes: those with the mark in their environment, the command's own,
# their children, and the members of sessions that one of them leads. (The name in a stat
# file may hold anything, also a line break: what follows the last parenthesis does not.)
left() {
  marked=$(grep -lsxz "MKUBE_EXEC=$id" /proc/[0-9]*/environ)
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$(echo $root $marked)" '
    BEGIN {
      count = split(roots, list, " ")
      for (i = 1; i <= count; i++) {
        gsub(/[^0-9]/, "", list[i])
        mine[list[i]]
      }
    }
    { pid = $1; if (sub(/^.*\) /, "") && $1 !~ /^[ZX]/) { parent[pid] = $2; session[pid] = $4 } }
    END {
      do {
        found = 0
        for (p in parent) if (!(p in mine) && (parent[p] in mine || session[p] in mine)) { mine[p]; found = 1 }
      } while (found)
      for (p in mine) if (p in parent) print p
    }'
}

root= round=0 idle=0 told=' '
# A command that has only just been asked for may not have started yet.
while [ "$round" -lt 30 ] && [ "$idle" -lt "$([ "$told" = ' ' ] && echo 10 || echo 2)" ]; do
  ! alive || root=$pid
  pids=$(left)
  idle=$((idle + 1))
  for pid in $pids; do
    idle=0
    case $told in
      *" $pid "*) [ "$round" -lt 8 ] || kill -s KILL "$pid" ;;
      *)
        kill -s "$signal" "$pid"
        kill -s CONT "$pid"
        told="$told$pid "
        ;;
    esac
  done 2>/dev/null
  round=$((round + 1))
  sleep 0.1
done
rm -f "$file"
