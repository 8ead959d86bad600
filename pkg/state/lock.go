package state

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// BusyError is the error of a command that finds another command changing the cluster.
type BusyError struct {
	Cluster string
	// By describes the other command, see provider.NewCreation.
	By string
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s is at work on cluster %q: wait until it has finished, or stop it", e.By, e.Cluster)
}

// LockPath is the path of the lock on each control plane of a cluster. The lock is held while a
// process locks the file (flock(2)), whatever the file contains. While the lock is held, the file
// contains the description of the holder. A boot deletes the file, because it empties /run.
const LockPath = "/run/mkube.lock"

// CreatingPath exists on a control plane from before its first boot until the create that made it
// has the lock.
const CreatingPath = stateDir + "/creating"

const (
	// exitBusy is EX_TEMPFAIL of sysexits.h.
	exitBusy = 75
	// lockLimit is the time limit for a node to grant its lock. An emulated machine takes seconds
	// to start a process. The limit includes the second for which flock waits for another holder.
	lockLimit = 20 * time.Second
	// releaseLimit is the time limit for a node to confirm that it has released its lock.
	releaseLimit = 5 * time.Second
)

// lockScript holds the lock as long as its standard input is open. The engine closes that input
// when mkube ends, even after kill -9. $1 describes the command that takes the lock. $2 is "new"
// if the command must not disturb a create in progress. A create that has no lock 15 s after the
// boot does not count, because it may have been killed. The script is one line, as process
// arguments should be.
const lockScript = `[ "$2" != new ] || [ ! -e ` + CreatingPath + ` ] || [ "$(ps -o etimes= -p 1)" -ge 15 ] || { cat ` + CreatingPath + `; exit 75; }; ` +
	`rm -f ` + CreatingPath + `; printf '%s\n' "$1" >` + LockPath + `; echo held; cat >/dev/null`

// An Attempt is one command that tries to lock a cluster.
type Attempt struct {
	Cluster, By string
	// Creates is set for a create, which takes the lock soon after its nodes boot, and for a
	// command that may take the lock before that create has it.
	Creates bool
}

// Hold takes the lock of a cluster for a command such as "break". Until release is called or the
// process ends in any way, no other command of any user or host can change the cluster. If another
// command holds the lock, the error is a *BusyError.
func Hold(ctx context.Context, p provider.Provider, cluster, command string) (release func(), err error) {
	nodes, err := Nodes(ctx, p, cluster)
	if err != nil {
		return nil, err
	}
	return Attempt{Cluster: cluster, By: provider.NewCreation(command)}.Hold(ctx, nodes)
}

// Hold takes the lock on each control plane that runs, in order, so that one of two commands gets
// all of them. Because it holds several, the lock survives the removal or stop of a control plane.
// If another command holds a lock, the error is a *BusyError. release is nil after an error.
func (a Attempt) Hold(ctx context.Context, nodes []provider.Node) (release func(), err error) {
	var held []func()
	release = func() {
		for _, r := range slices.Backward(held) {
			r()
		}
	}
	var errs []error
	for _, n := range nodes {
		if n.Role() != config.ControlPlane {
			continue
		}
		r, err := a.holdOn(ctx, n)
		if busy := (*BusyError)(nil); errors.As(err, &busy) {
			release()
			return nil, err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("locking cluster %q: %w", a.Cluster, err))
			continue
		}
		held = append(held, r)
	}
	if len(held) == 0 {
		return nil, cmp.Or(errors.Join(errs...), NoControlPlane(nodes))
	}
	return release, nil
}

// holdOn takes the lock of one node.
func (a Attempt) holdOn(ctx context.Context, n provider.Node) (release func(), err error) {
	// The lock outlives ctx, because an interrupted command keeps it until it has cleaned up.
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	input, life := io.Pipe()
	output := &lockOutput{held: make(chan bool, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- n.Run(alive, provider.Cmd{Args: a.command(), Stdin: input, Stdout: output})
	}()
	release = func() {
		_ = life.Close() // closing a pipe never fails
		select {
		case err := <-ended:
			_ = err // the lock is released however the process ended
		case <-time.After(releaseLimit): // the node is gone or hangs
		}
		cancel()
	}
	held, err := a.granted(ctx, n, output, ended)
	if !held {
		release()
		return nil, err
	}
	return release, nil
}

// granted waits for the answer of the process that takes the lock of a node. If the process ends
// instead, granted puts its result back into ended.
func (a Attempt) granted(ctx context.Context, n provider.Node, output *lockOutput, ended chan error) (held bool, err error) {
	limit := time.After(lockLimit)
	for {
		select {
		case held = <-output.held:
			if held {
				return true, nil
			}
			// The exit code shows whose line that is: an engine writes an error of its own, for
			// example about a node that is being deleted, to the output of the process.
		case err := <-ended:
			ended <- err
			return false, a.refusal(ctx, n, output.String(), err)
		case <-ctx.Done():
			return false, ctx.Err()
		case <-limit:
			return false, fmt.Errorf("%s does not answer within %s", n.Name(), lockLimit)
		}
	}
}

// refusal returns the error of an attempt whose process has ended with an error, after this output.
func (a Attempt) refusal(ctx context.Context, n provider.Node, output string, err error) error {
	if provider.ExitCode(err) != exitBusy {
		return cmp.Or(err, fmt.Errorf("%s did not grant the lock", n.Name()))
	}
	if by, _, _ := strings.Cut(output, "\n"); by != "" {
		return &BusyError{a.Cluster, by}
	}
	return &BusyError{a.Cluster, holderOn(ctx, n)}
}

// command returns the command that runs on the node, see flock(1).
func (a Attempt) command() []string {
	mode := "new"
	if a.Creates {
		mode = "any"
	}
	return []string{"flock", "--wait", "1", "--conflict-exit-code", fmt.Sprint(exitBusy), LockPath, "sh", "-c", lockScript, "sh", a.By, mode}
}

// holderOn returns the description of the command that holds the lock of a node.
func holderOn(ctx context.Context, n provider.Node) string {
	out, err := provider.Output(ctx, n, "cat", LockPath)
	if by := strings.TrimSpace(string(out)); err == nil && by != "" {
		return by
	}
	return "another mkube command"
}

// AtWork reports whether a command changes a cluster now.
func AtWork(ctx context.Context, c *cluster.Cluster) bool { return Holder(ctx, c.Nodes) != "" }

// Holder returns the description of the command that holds the lock of a cluster now, or "".
func Holder(ctx context.Context, nodes []provider.Node) string {
	for _, n := range nodes {
		if n.Role() != config.ControlPlane {
			continue
		}
		_, err := provider.Output(ctx, n, "flock", "--nonblock", "--conflict-exit-code", fmt.Sprint(exitBusy), LockPath, "true")
		if provider.ExitCode(err) == exitBusy {
			return holderOn(ctx, n)
		}
	}
	return ""
}

// lockOutput keeps the output of lockScript, and reports whether its first line is "held".
type lockOutput struct {
	held chan bool
	mu   sync.Mutex
	data []byte
	sent bool
}

func (f *lockOutput) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = append(f.data, p...)
	if line, _, ok := bytes.Cut(f.data, []byte("\n")); ok && !f.sent {
		f.sent = true
		f.held <- string(line) == "held"
	}
	return len(p), nil
}

func (f *lockOutput) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.data)
}
