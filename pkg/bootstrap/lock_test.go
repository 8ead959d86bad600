package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/override"
	"github.com/mkube/mkube/pkg/learn/stages"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// held blocks the first call of a method until release is called. It closes there when the call
// arrives.
func (r *rig) held(method string) (there <-chan struct{}, release func()) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.Before = func(_ context.Context, c fake.Call) error {
		if c.Method == method {
			once.Do(func() {
				close(arrived)
				<-goOn
			})
		}
		return nil
	}
	return arrived, func() { close(goOn) }
}

// meet blocks calls of a method until there are two of them.
func (r *rig) meet(method string) {
	var wait sync.WaitGroup
	wait.Add(2)
	var mu sync.Mutex
	calls := 0
	r.Before = func(_ context.Context, c fake.Call) error {
		if c.Method != method {
			return nil
		}
		mu.Lock()
		calls++
		first := calls <= 2
		mu.Unlock()
		if first {
			wait.Done()
			wait.Wait()
		}
		return nil
	}
}

// TestTwoCreates checks that one of two creates gets the name, and that the other deletes nothing
// of it.
func TestTwoCreates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.meet("Create")
	errs := make([]error, 2)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			_, errs[i] = bootstrap.Create(t.Context(), r, config.Cluster{}.Default(), bootstrap.Options{Wait: time.Minute})
		})
	}
	wait.Wait()
	slices.SortFunc(errs, func(a, b error) int { return len(fmt.Sprint(a)) - len(fmt.Sprint(b)) })
	if errs[0] != nil || fmt.Sprint(errs[1]) != `cluster "mkube" cannot be created: cluster mkube already exists: choose another name with --name` {
		t.Errorf("the creates end by %v and %v; want nil, and that the cluster already exists", errs[0], errs[1])
	}
	if got := r.Names(t); got != "control-plane" {
		t.Errorf("the nodes are %q", got)
	}
}

// TestChangesMeet checks that while one command changes a cluster, every other command fails,
// names the holder of the lock, and changes nothing.
func TestChangesMeet(t *testing.T) {
	t.Parallel()
	o := bootstrap.Options{Wait: time.Minute}
	for name, second := range map[string]func(*testing.T, *rig) error{
		"add node, same role": func(t *testing.T, r *rig) error {
			_, err := r.addNode(t, config.Node{Role: config.Worker})
			return err
		},
		"add node, other role": func(t *testing.T, r *rig) error {
			_, err := r.addNode(t, config.Node{Role: config.ControlPlane})
			return err
		},
		"delete node": func(t *testing.T, r *rig) error { return r.removeNode(t, "control-plane3") },
		"delete cluster": func(t *testing.T, r *rig) error {
			return bootstrap.Delete(t.Context(), r, "mkube", []string{r.Kubeconfig})
		},
		"stop cluster":  func(t *testing.T, r *rig) error { return bootstrap.Stop(t.Context(), r, "mkube") },
		"start cluster": func(t *testing.T, r *rig) error { return bootstrap.Start(t.Context(), r, "mkube", o) },
		"stage next": func(t *testing.T, r *rig) error {
			_, err := stages.Next(t.Context(), r, "mkube", "", o)
			return err
		},
		"stage back": func(t *testing.T, r *rig) error {
			_, err := stages.Back(t.Context(), r, "mkube")
			return err
		},
		"run": func(t *testing.T, r *rig) error {
			return override.Run(t.Context(), r, "mkube", "kube-scheduler", nil, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := up(t, planes)
			entry, err := os.ReadFile(r.Kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			there, release := r.held("Add")
			added := make(chan error, 1)
			go func() {
				_, err := r.addNode(t, config.Node{Role: config.Worker})
				added <- err
			}()
			<-there
			got := second(t, r)
			busy := (*state.BusyError)(nil)
			if !errors.As(got, &busy) || !strings.Contains(busy.By, fmt.Sprintf("mkube add node (process %d on ", os.Getpid())) {
				t.Errorf("the second command ends by %v; want that add node is at work", got)
			}
			release()
			if err := <-added; err != nil {
				t.Errorf("add node = %v", err)
			}
			if got := r.Names(t); got != "control-plane control-plane2 control-plane3 external-load-balancer worker" {
				t.Errorf("the nodes are %s", got)
			}
			if after, err := os.ReadFile(r.Kubeconfig); string(after) != string(entry) || err != nil {
				t.Errorf("the kubeconfig has changed, %v", err)
			}
		})
	}
}

// TestTwoAddsInTurn checks that a command that waited for another one sees the change of that
// command.
func TestTwoAddsInTurn(t *testing.T) {
	t.Parallel()
	r := up(t, planes)
	r.meet("Check")
	names := make([]string, 2)
	errs := make([]error, 2)
	var wait sync.WaitGroup
	for i, role := range []config.Role{config.Worker, config.ControlPlane} {
		wait.Go(func() { names[i], errs[i] = r.addNode(t, config.Node{Role: role}) })
	}
	wait.Wait()
	want := "control-plane control-plane2 control-plane3"
	busy := (*state.BusyError)(nil)
	for i, name := range []string{"control-plane4", "external-load-balancer", "worker"} {
		switch e := errs[1-i/2]; { // neither add created the load balancer
		case i == 1, e == nil:
			want += " " + name
		case !errors.As(e, &busy):
			t.Errorf("adding %s = %v", name, e)
		}
	}
	if got := r.Names(t); got != want {
		t.Errorf("the nodes are %s; want %s (%v)", got, want, errs)
	}
	r.Before = nil
	if _, err := r.addNode(t, config.Node{Role: config.Worker}); err != nil {
		t.Errorf("a third add = %v", err)
	}
}

// TestCreateIsNotDisturbed checks that no other command changes a cluster before its create has
// the lock.
func TestCreateIsNotDisturbed(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	n := r.First(t)
	creating := "mkube create cluster (process 1 on elsewhere, since 12:00:00 UTC, id A)"
	if err := r.write(n, "/etc/mkube/creating", creating+"\n"); err != nil {
		t.Fatal(err)
	}
	_, err := r.addNode(t, config.Node{Role: config.Worker})
	if want := creating + ` is at work on cluster "mkube": wait until it has finished, or stop it`; fmt.Sprint(err) != want {
		t.Errorf("AddNode = %v; want %s", err, want)
	}
	// The create may have been killed, so delete does not wait for it.
	if err := bootstrap.Delete(t.Context(), r, "mkube", []string{r.Kubeconfig}); err != nil {
		t.Error(err)
	}
	r.WantNothing(t)
}

// TestLockEndsWithItsCommand checks that a command releases the lock also when it fails.
func TestLockEndsWithItsCommand(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	r.Before = func(_ context.Context, c fake.Call) error {
		if c.Method == "Boot" {
			return errors.New("no power")
		}
		return nil
	}
	if _, err := r.addNode(t, config.Node{Role: config.Worker}); fmt.Sprint(err) != "no power" {
		t.Errorf("AddNode = %v", err)
	}
	r.Before = nil
	release, err := state.Hold(t.Context(), r, "mkube", "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.Hold(t.Context(), r, "mkube", "another"); !errors.As(err, new(*state.BusyError)) {
		t.Errorf("the lock is given twice: %v", err)
	}
	release()
	if release, err = state.Hold(t.Context(), r, "mkube", "test"); err != nil {
		t.Fatal(err)
	}
	release()
}

// TestLockOnADyingNode checks that an error of the engine, which is about a node that is being
// deleted and goes to the output of the command, is not taken for the name of another command.
func TestLockOnADyingNode(t *testing.T) {
	t.Parallel()
	const refusal = "OCI runtime exec failed: exec failed: unable to start container process"
	r := up(t, planes)
	dying := strings.Fields(r.Names(t))[:1]
	r.Programs = map[string]fake.Program{"flock": func(_ context.Context, n *fake.Node, cmd provider.Cmd) (int, error) {
		if slices.Contains(dying, strings.TrimPrefix(n.Name(), "mkube-")) {
			fmt.Fprintln(cmd.Stdout, refusal)
			return 126, nil
		}
		fmt.Fprintln(cmd.Stdout, "held")
		_, err := io.Copy(io.Discard, cmd.Stdin)
		return 0, err
	}}
	release, err := state.Hold(t.Context(), r, "mkube", "test")
	if err != nil {
		t.Fatalf("the other control planes can be locked: %v", err)
	}
	release()
	dying = strings.Fields(r.Names(t))
	_, err = state.Hold(t.Context(), r, "mkube", "test")
	if exit := (*provider.ExitError)(nil); !errors.As(err, &exit) || exit.Code != 126 || errors.As(err, new(*state.BusyError)) {
		t.Errorf("no control plane can be locked: Hold = %v", err)
	}
}
