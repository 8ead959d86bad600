package component

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// A CrashError is the error of a component whose process exits repeatedly.
type CrashError struct {
	// Times is the number of exits, and Code the last exit code.
	Times, Code int
	// ran is how long the last run of the process took, and began how long ago that run began, by the
	// node's clock. Both are 0 if they are unknown.
	ran, began time.Duration
}

// shortRun is the maximum time that a process runs if its own configuration is wrong. A process that
// runs longer may have waited for another one.
const shortRun = 5 * time.Second

// waited reports whether the process may have exited because it waited in vain for what it needs,
// which has been ready for the given time. kube-controller-manager exits if the API server is not
// healthy within 10 seconds.
func (e *CrashError) waited(ready time.Duration) bool { return e.ran >= shortRun && e.began > ready }

func (e *CrashError) Error() string {
	return fmt.Sprintf("keeps crashing: it ended %d times, the last time with exit code %d", e.Times, e.Code)
}

// enough is the minimum number of exits. A single one may happen during a normal start, before
// the dependencies of the component are up.
const enough = 2

// crashed returns an error if the component's process exits repeatedly on a node. It returns nil
// if it does not, or if that is unknown.
func crashed(ctx context.Context, c Component, n provider.Node) *CrashError {
	if c.Unit != "" {
		return crashedUnit(ctx, c, n)
	}
	return crashedContainer(ctx, c, n)
}

// crashedUnit reads from systemd how often it has restarted the unit.
func crashedUnit(ctx context.Context, c Component, n provider.Node) *CrashError {
	out, err := provider.Output(ctx, n, "systemctl", "show", c.Unit, "--property=NRestarts,ExecMainStatus,ActiveState")
	if err != nil {
		return nil
	}
	crash := new(CrashError)
	active := false
	for line := range strings.Lines(string(out)) {
		// Each line has one property. A format that does not match the line changes nothing.
		fmt.Sscanf(line, "NRestarts=%d", &crash.Times)
		fmt.Sscanf(line, "ExecMainStatus=%d", &crash.Code)
		active = active || line == "ActiveState=active\n"
	}
	// A unit that failed at boot but runs now is not a crash.
	if active || crash.Times < enough {
		return nil
	}
	return crash
}

// restarted checks for restarts without a client of the container runtime, which would cost
// more. The kubelet keeps a log file for each start of a container, named by the number of
// earlier starts, and deletes old files. Logs that are older than kubelet.env are from before
// the node booted, because mkube-node-init writes that file at boot. They do not count.
const restarted = `last=-1 before=-1
for f in /var/log/pods/kube-system_"$1"-*/"$1"/*.log; do
  [ -e "$f" ] || continue
  n=${f##*/}
  n=${n%.log}
  if [ "$f" -nt /run/mkube/kubelet.env ]; then
    [ "$n" -le "$last" ] || last=$n
  else
    [ "$n" -le "$before" ] || before=$n
  fi
done
[ $((last - before)) -ge 2 ] || exit 0
exec crictl ps --all --name "^$1\$" --output json`

func crashedContainer(ctx context.Context, c Component, n provider.Node) *CrashError {
	out, err := provider.Output(ctx, n, "sh", "-c", restarted, "sh", c.Name)
	if err != nil || len(out) == 0 {
		return nil
	}
	var list struct {
		Containers []struct {
			ID       string
			State    string
			Metadata struct{ Attempt int }
		}
	}
	if json.Unmarshal(out, &list) != nil {
		return nil
	}
	last, id, running := -1, "", false
	for _, container := range list.Containers {
		running = running || container.State != "CONTAINER_EXITED" // or it is about to run
		if container.Metadata.Attempt > last {
			last, id = container.Metadata.Attempt, container.ID
		}
	}
	if running || last+1 < enough {
		return nil
	}
	crash := lastRun(ctx, n, id)
	if crash == nil || crash.Code <= 0 {
		// The exit code is unknown, or the process ended normally. A process that loses its
		// leader election ends like that on a busy machine, and starts again.
		return nil
	}
	crash.Times = last + 1
	return crash
}

// inspected prints the time on the node, and then the state of a container.
const inspected = `date --utc +%FT%T.%NZ && exec crictl inspect --output json "$1"`

// lastRun returns the exit code and the times of a container that has exited, nil if they are unknown.
func lastRun(ctx context.Context, n provider.Node, id string) *CrashError {
	out, err := provider.Output(ctx, n, "sh", "-c", inspected, "sh", id)
	if err != nil {
		return nil
	}
	clock, state, _ := strings.Cut(string(out), "\n")
	now, err := time.Parse(time.RFC3339Nano, clock)
	var inspect struct {
		Status struct {
			ExitCode              int
			StartedAt, FinishedAt time.Time
		}
	}
	if err != nil || json.Unmarshal([]byte(state), &inspect) != nil {
		return nil
	}
	s := inspect.Status
	return &CrashError{Code: s.ExitCode, ran: s.FinishedAt.Sub(s.StartedAt), began: now.Sub(s.StartedAt)}
}

// logLines is the number of lines of a log in an error.
const logLines = "20"

// newest prints the end of the newest log file of a container.
const newest = `f=$(ls -t /var/log/pods/kube-system_"$1"-*/"$1"/*.log 2>/dev/null | head -n 1); [ -n "$f" ] || exit 0
tail -n ` + logLines + ` "$f" | cut -d " " -f 4-`

// logTail returns the end of a component's log, or "" if it has none.
func logTail(ctx context.Context, c Component, n provider.Node) string {
	args := []string{"sh", "-c", newest, "sh", c.Name}
	if c.Unit != "" {
		args = []string{"journalctl", "--unit", c.Unit, "--lines", logLines, "--no-pager", "--output", "cat"}
	}
	out, err := provider.Output(ctx, n, args...)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(out), "\n")
}

// complaints prints the kubelet's last warning or error about a static pod or its manifest,
// which explains why there is no container. Its lines have the format of klog: a letter for the
// severity, a time, and the message after "]".
const complaints = `journalctl --unit kubelet --boot --no-pager --output cat |
  grep -E "^[EW][0-9]{4} .*(pod=\"kube-system/$1-$2\"|/manifests/$1\\.yaml)" | tail -n 1 | cut -d "]" -f 2-`

// complaint returns the kubelet's last warning or error about a component's static pod, or "" if
// there is none.
func complaint(ctx context.Context, c Component, n provider.Node) string {
	out, err := provider.Output(ctx, n, "sh", "-c", complaints, "sh", c.Name, n.Name())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
