package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

func TestExec(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, in string
		code     Code
		out, err string
	}{
		{"exec mkube-worker -- ls -l /", "", OK, "mkube-worker$ ls -l /\n", ""},
		{"exec worker -- ls", "", OK, "mkube-worker$ ls\n", ""},
		{"exec -it worker -- ls", "", OK, "mkube-worker$ ls\n", ""},
		{"exec worker ls", "", OK, "mkube-worker$ ls\n", ""},
		{"exec worker --name blue -- ls", "", OK, "blue-worker$ ls\n", ""},
		{"exec blue-worker -- cat", "in\nput", OK, "blue-worker$ cat\nin\nput", ""},
		{"exec worker -- false", "", 7, "", "no\n"},
		{"exec worker2 -- ls", "", Failed, "", "Error: cluster \"mkube\" has no node \"worker2\"; its nodes are mkube-control-plane, mkube-worker\n"},
		{"exec blue-worker --name mkube -- ls", "", Failed, "", "Error: cluster \"mkube\" has no node \"blue-worker\"; its nodes are mkube-control-plane, mkube-worker\n"},
		{"exec worker --name red -- ls", "", Failed, "", "Error: cluster \"red\" does not exist: mkube create cluster --name red creates it; existing clusters: blue, mkube\n"},
		{"kubectl get pods -A", "", OK, "mkube-control-plane$ KUBECONFIG=/etc/kubernetes/admin.conf kubectl get pods -A\n", ""},
		{"kubectl --name blue -- apply -f -", "kind: Pod\n", OK, "blue-control-plane$ KUBECONFIG=/etc/kubernetes/admin.conf kubectl apply -f -\nkind: Pod\n", ""},
		{"kubectl -- exec web -- ls", "", OK, "mkube-control-plane$ KUBECONFIG=/etc/kubernetes/admin.conf kubectl exec web -- ls\n", ""},
		{"kubectl -- get nope", "", 1, "", "none such\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mkube", "blue")
			w.in = strings.NewReader(tt.in)
			for _, n := range w.fake.clusters["mkube"] {
				n.(*fakeNode).script["false"] = fails(7, "no")
				n.(*fakeNode).script["kubectl get nope"] = fails(1, "none such")
			}
			w.want(t, w.run(t, tt.line), tt.code, tt.out, tt.err)
		})
	}
}

// TestExecOfACommandThatDidNotRun checks that a command that could not run is an error of mkube,
// and not an exit code of the command.
func TestExecOfACommandThatDidNotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.fake.clusters["mkube"][1].(*fakeNode).script["ls"] = func(provider.Cmd) error {
		return fmt.Errorf("the node is off")
	}
	w.want(t, w.run(t, "exec worker -- ls"), Failed, "", "Error: the node is off\n")
}

func TestExecInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	ctx, cancel := context.WithCancel(t.Context())
	w.fake.clusters["mkube"][1].(*fakeNode).script["sleep"] = func(provider.Cmd) error {
		cancel()
		return fmt.Errorf("running sleep: %w", ctx.Err())
	}
	w.want(t, w.main(ctx, []string{"exec", "worker", "--", "sleep", "9"}), Interrupted, "", "Interrupted.\n")
}

// TestNoTerminal checks that a command gets no terminal if standard input is a file.
func TestNoTerminal(t *testing.T) {
	t.Parallel()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := newWorld(t)
	w.in = f
	cmd := provider.Cmd{Args: []string{"ls"}}
	if err := w.onTerminal(&cmd, func() error { return nil }); err != nil {
		t.Error(err)
	}
	if cmd.Stdin != f || cmd.TTY || len(cmd.Args) != 1 || cmd.Env != nil {
		t.Errorf("got %+v", cmd)
	}
}

func TestSized(t *testing.T) {
	t.Parallel()
	got := sized([]string{"ls", "a b"}, 80, 24)
	if want := []string{"sh", "-c", `stty columns 80 rows 24; exec "$@"`, "sh", "ls", "a b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
