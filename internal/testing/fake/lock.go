package fake

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// flock implements flock(1) as mkube runs it. With true, it checks whether the lock is held. With
// mkube's own script, it holds the lock until its input ends.
func flock(ctx context.Context, n *Node, cmd provider.Cmd) (int, error) {
	const busy, creating = 75, "/etc/mkube/creating"
	i := slices.IndexFunc(cmd.Args, func(a string) bool { return a == "true" || a == "sh" })
	if i < 1 {
		fmt.Fprintln(cmd.Stderr, "flock: a fake node's flock only knows true and sh")
		return 1, nil
	}
	look, path := cmd.Args[i] == "true", cmd.Args[i-1]
	if !n.lock(ctx, !look) {
		return busy, ctx.Err()
	}
	defer n.unlock()
	if look {
		return 0, nil
	}
	by, mode := cmd.Args[len(cmd.Args)-2], cmd.Args[len(cmd.Args)-1]
	if f, ok := n.File(creating); ok && mode == "new" {
		_, err := cmd.Stdout.Write(f.Data)
		return busy, err
	}
	n.drop(creating)
	n.write(provider.File{Path: path, Data: []byte(by + "\n")})
	fmt.Fprintln(cmd.Stdout, "held")
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, cmd.Stdin) // only the end of the input matters
	}()
	select {
	case <-over:
		return 0, nil
	case <-n.gone:
		return 0, fmt.Errorf("no such node: %s", n.name)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// lock takes the lock of the node. If wait is set, it waits for up to a second.
func (n *Node) lock(ctx context.Context, wait bool) bool {
	select {
	case n.locked <- struct{}{}:
		return true
	default:
	}
	if !wait {
		return false
	}
	select {
	case n.locked <- struct{}{}:
		return true
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return false
}

func (n *Node) unlock() { <-n.locked }

func (n *Node) write(f provider.File) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.files[f.Path] = f
}

func (n *Node) drop(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.files, path)
}
