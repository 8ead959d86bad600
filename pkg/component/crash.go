package component

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mkube/mkube/pkg/provider"
)

// CrashError says that a component's process keeps ending.
type CrashError struct {
	// Times is how often it has ended; Code its last exit code.
	Times, Code int
}

func (e *CrashError) Error() string {
	return fmt.Sprintf("keeps crashing: it ended %d times, the last time with exit code %d", e.Times, e.Code)
}

// enough is how often a process must have ended: once may be an accident of a start,
// before what it needs is there.
const enough = 2

// crashed says how the component's process keeps ending on a node. Nil means that it does
// not, or that it cannot be known.
func crashed(ctx context.Context, c Component, n provider.Node) *CrashError {
	if c.Unit != "" {
		return crashedUnit(ctx, c, n)
	}
	return crashedContainer(ctx, c, n)
}

// crashedUnit asks systemd how often it has restarted the unit.
func crashedUnit(ctx context.Context, c Component, n provider.Node) *CrashError {
	out, err := provider.Output(ctx, n, "systemctl", "show", c.Unit, "--property=NRestarts,ExecMainStatus,ActiveState")
	if err != nil {
		return nil
	}
	crash := new(CrashError)
	active := false
	for line := range strings.Lines(string(out)) {
		fmt.Sscanf(line, "NRestarts=%d", &crash.Times)
		fmt.Sscanf(line, "ExecMainStatus=%d", &crash.Code)
		active = active || line == "ActiveState=active\n"
	}
	// One that stumbled at boot and now runs is waited for.
	if active || crash.Times < enough {
		return nil
	}
	return crash
}

// restarted is a cheap look, without a client of the runtime: the kubelet keeps a
// log file for each start of a container, named by how often it was started before, and
// throws old ones away. Those from before the node booted, when mkube wrote the file that they
// are compared with, say nothing of how it comes up now.
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
		running = running || container.State != "CONTAINER_EXITED" // or about to
		if container.Metadata.Attempt > last {
			last, id = container.Metadata.Attempt, container.ID
		}
	}
	if running || last+1 < enough {
		return nil
	}
	code := exitCode(ctx, n, id)
	if code <= 0 {
		// That is not known, or it ended in order, as who loses the election of a leader does: on a busy machine
		// that happens, and it comes again.
		return nil
	}
	return &CrashError{Times: last + 1, Code: code}
}

func exitCode(ctx context.Context, n provider.Node, id string) int {
	out, err := provider.Output(ctx, n, "crictl", "inspect", "--output", "json", id)
	var inspect struct{ Status struct{ ExitCode int } }
	if err != nil || json.Unmarshal(out, &inspect) != nil {
		return -1
	}
	return inspect.Status.ExitCode
}

// logLines is how much of a log an error shows.
const logLines = "20"

// newest finds the newest log file of a container.
const newest = `f=$(ls -t /var/log/pods/kube-system_"$1"-*/"$1"/*.log 2>/dev/null | head -n 1); [ -n "$f" ] || exit 0
tail -n ` + logLines + ` "$f" | cut -d " " -f 4-`

// logTail is the end of a component's log, "" where there is none.
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

// complaints finds what the kubelet said last, as a warning or an error, of a static pod or
// of its manifest: why there is no container. Each of its lines is klog's: a letter, a time, and what is said.
const complaints = `journalctl --unit kubelet --boot --no-pager --output cat |
  grep -E "^[EW][0-9]{4} .*(pod=\"kube-system/$1-$2\"|/manifests/$1\\.yaml)" | tail -n 1 | cut -d "]" -f 2-`

// complaint is the kubelet's last word on a component's static pod, "" if it had none.
func complaint(ctx context.Context, c Component, n provider.Node) string {
	out, err := provider.Output(ctx, n, "sh", "-c", complaints, "sh", c.Name, n.Name())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
