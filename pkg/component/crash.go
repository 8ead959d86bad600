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

// crashed is a *CrashError if the component's process keeps ending on a node, nil
// if not or if it cannot be known.
func crashed(ctx context.Context, c Component, n provider.Node) error {
	find := crashedContainer
	if c.Unit != "" {
		find = crashedUnit
	}
	if crash := find(ctx, c, n); crash != nil {
		return crash
	}
	return nil
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
// log file for each start of a container, named by how often it was restarted.
const restarted = `ls /var/log/pods/kube-system_"$1"-*/"$1"/[1-9]*.log >/dev/null 2>&1 || exit 0
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
		running = running || container.State == "CONTAINER_RUNNING"
		if container.Metadata.Attempt > last {
			last, id = container.Metadata.Attempt, container.ID
		}
	}
	if running || last+1 < enough {
		return nil
	}
	return &CrashError{Times: last + 1, Code: exitCode(ctx, n, id)}
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
