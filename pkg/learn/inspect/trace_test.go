package inspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/inspect"
	"github.com/mkube/mkube/pkg/provider"
)

// logged is a node with an audit log and a runtime, from files in testdata. If a name is "", it
// has none.
type logged struct {
	provider.Node // for the methods that no test needs
	audit, crictl string
}

func (n *logged) Name() string      { return "insp-b-control-plane" }
func (n *logged) Role() config.Role { return config.ControlPlane }
func (n *logged) Run(_ context.Context, cmd provider.Cmd) error {
	file := n.audit
	if strings.Contains(cmd.Args[2], "crictl") {
		if file = n.crictl; file == "" {
			return errors.New("crictl is off")
		}
	} else if file == "" {
		return &provider.ExitError{Code: 3}
	}
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		return err
	}
	_, err = cmd.Stdout.Write(data)
	return err
}

func trace(t *testing.T, n *logged, s server, pod string) *inspect.Trace {
	t.Helper()
	got, err := inspect.TracePod(t.Context(), s, []provider.Node{n}, "default", pod)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestTracePod traces a running pod, with all sources, and without each of them.
func TestTracePod(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]*logged{
		"trace-web.golden":            {audit: "audit.log", crictl: "crictl.json"},
		"trace-web-no-audit.golden":   {crictl: "crictl.json"},
		"trace-web-no-runtime.golden": {audit: "audit.log"},
	} {
		golden(t, name, trace(t, n, newServer(t, "trace.yaml"), "web-5d44f75545-r72vx").Text())
	}
}

// TestTracePodWithoutEvents traces a pod whose events are gone, because events last for an hour.
func TestTracePodWithoutEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t, "trace.yaml")
	s["/api/v1/namespaces/default/events"] = "no events today"
	golden(t, "trace-web-no-events.golden", trace(t, &logged{audit: "audit.log", crictl: "crictl.json"}, s, "web-5d44f75545-r72vx").Text())
	golden(t, "trace-web-objects.golden", trace(t, &logged{}, s, "web-5d44f75545-r72vx").Text())
}

// TestTracePodNotRunning checks the next step of a pod that does not run, and the reason why it
// has not happened.
func TestTracePodNotRunning(t *testing.T) {
	t.Parallel()
	sandbox := &logged{audit: "audit.log", crictl: "crictl.json"}
	golden(t, "trace-lost.golden", trace(t, sandbox, newServer(t, "trace.yaml"), "lost").Text())
	if next := trace(t, sandbox, newServer(t, "trace.yaml"), "nopull").Next; !strings.HasPrefix(next, "kubelet on insp-b-control-plane starts the container nopull; it does not yet because: ") {
		t.Errorf("Next = %s", next)
	}
	// Before there is a sandbox, no container waits for a reason of its own.
	s := newServer(t, "trace.yaml")
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	s = server{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(data), "ErrImagePull", "ContainerCreating")), &s); err != nil {
		t.Fatal(err)
	}
	next := trace(t, &logged{audit: "audit.log"}, s, "nopull").Next
	if want := "kubelet on insp-b-control-plane has containerd make the pod's sandbox and its network; it does not yet because: Error: ImagePullBackOff"; next != want {
		t.Errorf("Next = %s; want %s", next, want)
	}
}

func TestTracePodErrors(t *testing.T) {
	t.Parallel()
	_, err := inspect.TracePod(t.Context(), newServer(t, "trace.yaml"), nil, "default", "los")
	var unknown *inspect.UnknownError
	const want = `pod "los" does not exist in namespace "default", which has lost, nopull, web-5d44f75545-r72vx`
	if !errors.As(err, &unknown) || err.Error() != want || unknown.Word != "los" {
		t.Errorf("got %v; want %s", err, want)
	}
	if _, err := inspect.TracePod(t.Context(), server{}, nil, "default", "web"); err == nil || errors.As(err, &unknown) {
		t.Errorf("without an API it is %v", err)
	}
}

// TestTraceJSON checks that the JSON output has times, and the full text of each step.
func TestTraceJSON(t *testing.T) {
	t.Parallel()
	got := trace(t, &logged{audit: "audit.log", crictl: "crictl.json"}, newServer(t, "trace.yaml"), "lost")
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Pod   string
		Steps []struct{ Time, Who, What, Source string }
	}
	if err := json.Unmarshal(data, &back); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if back.Pod != "lost" || len(back.Steps) != 2 || !strings.HasPrefix(back.Steps[1].What, "FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match") {
		t.Errorf("got %s", data)
	}
}
