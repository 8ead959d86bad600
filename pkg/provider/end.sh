# usage: sh -c THIS sh ID SIGNAL [guard]
# Ends the command that mkube has run as ID, and all processes that the command has started: with
# SIGNAL, and a second later with SIGKILL. A guard first waits for the end of its standard input. If
# the command has ended by itself before that, its processes in the background may stay.
trap '' HUP INT TERM PIPE
id=$1 signal=$2 file=/tmp/mkube-exec-$1

# alive sets pid to the PID of the command if the command still runs. The file has the PID and the
# rest of the stat file of the process. The 20th field is the start time, which identifies the
# process, because the kernel reuses PIDs.
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

# left lists the processes that still run: those with the mark in their environment, the command
# itself, their children, and the members of sessions that one of them leads. In a stat file, the
# program's name can contain any character, also a line break. So only the fields after the last
# parenthesis are read.
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
# The command may not have started yet, because mkube has just requested it. So the loop also waits
# for a second if it finds no process.
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
