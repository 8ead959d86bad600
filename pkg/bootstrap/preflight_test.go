package bootstrap_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// wrong returns a rig whose host has one error and one warning.
func wrong(t *testing.T) (*rig, bootstrap.Options, *[]string) {
	t.Helper()
	r := newRig(t)
	r.Problems = slices.Concat(provider.Warn(provider.CheckMemory, errors.New("little memory")), provider.Refuse(provider.CheckPort, errors.New("port 80 is taken")))
	warned := new([]string)
	o := bootstrap.Options{Wait: time.Minute, Kubeconfig: []string{r.Kubeconfig}, On: r.Recorder.On}
	o.Warn = func(line string) {
		if len(r.Recorder.Events()) > 0 {
			t.Errorf("after the first step: %s", line)
		}
		*warned = append(*warned, line)
	}
	return r, o, warned
}

func ignoring(t *testing.T, names ...string) provider.Ignored {
	t.Helper()
	ignored, err := provider.ParseIgnored(names)
	if err != nil {
		t.Fatal(err)
	}
	return ignored
}

// TestPreflight checks that warnings do not stop a create, and that errors do unless they are
// ignored.
func TestPreflight(t *testing.T) {
	t.Parallel()
	const refused = "port 80 is taken (to ignore this: --ignore-preflight-errors=Port)"
	for name, ignored := range map[string][]string{"nothing": nil, "another": {"image"}, "it": {"port"}, "all": {"all"}} {
		t.Run(name+" is ignored", func(t *testing.T) {
			t.Parallel()
			r, o, warned := wrong(t)
			o.IgnorePreflightErrors = ignoring(t, ignored...)
			_, err := bootstrap.Create(t.Context(), r, config.Cluster{}.Default(), o)
			want, wantErr := []string{"little memory"}, refused
			if name == "it" || name == "all" {
				want, wantErr = append(want, "ignored preflight error Port: port 80 is taken"), "<nil>"
			}
			if fmt.Sprint(err) != wantErr || !slices.Equal(*warned, want) {
				t.Errorf("Create = %v, warned of %q; want %s, %q", err, *warned, wantErr, want)
			}
			made := slices.ContainsFunc(r.Calls(), func(c fake.Call) bool { return c.Method == "Create" })
			if made != (wantErr == "<nil>") {
				t.Errorf("something was made: %t", made)
			}
		})
	}
}

// TestPreflightOfAdd checks that AddNode runs the same checks as Create.
func TestPreflightOfAdd(t *testing.T) {
	t.Parallel()
	r, o, warned := wrong(t)
	cfg := config.Cluster{}.Default()
	ignored := o
	ignored.IgnorePreflightErrors = ignoring(t, "Port")
	if _, err := bootstrap.Create(t.Context(), r, cfg, ignored); err != nil {
		t.Fatal(err)
	}
	o.On, ignored.On = nil, nil
	o.Warn = func(line string) { *warned = append(*warned, line) }
	ignored.Warn = o.Warn
	*warned = nil
	if _, err := bootstrap.AddNode(t.Context(), r, "mkube", config.Node{Role: config.Worker}, o); err == nil || !strings.Contains(err.Error(), "port 80 is taken") {
		t.Errorf("AddNode = %v", err)
	}
	if _, err := bootstrap.AddNode(t.Context(), r, "mkube", config.Node{Role: config.Worker}, ignored); err != nil {
		t.Errorf("AddNode = %v", err)
	}
	if want := []string{"little memory", "little memory", "ignored preflight error Port: port 80 is taken"}; !slices.Equal(*warned, want) {
		t.Errorf("AddNode warned of %q; want %q", *warned, want)
	}
}

// TestPreflightOfKubeconfig checks that the kubeconfig is checked before anything is created,
// together with the host.
func TestPreflightOfKubeconfig(t *testing.T) {
	t.Parallel()
	r, o, _ := wrong(t)
	if err := os.WriteFile(r.Kubeconfig, []byte("clusters: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bootstrap.Create(t.Context(), r, config.Cluster{}.Default(), o)
	for _, want := range []string{"port 80 is taken", "reading kubeconfig " + r.Kubeconfig + ": line ", "--ignore-preflight-errors=Kubeconfig"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in: %v", want, err)
		}
	}
	if len(r.Recorder.Events()) > 0 {
		t.Error("it began all the same")
	}
	o.Kubeconfig, o.IgnorePreflightErrors = nil, ignoring(t, "port")
	if _, err := bootstrap.Create(t.Context(), r, config.Cluster{}.Default(), o); err != nil {
		t.Errorf("without a kubeconfig: %v", err)
	}
}

// TestPreflightOfAnAddition checks that the provider gets the name of the new node.
func TestPreflightOfAnAddition(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	if _, err := r.addNode(t, config.Node{Role: config.Worker}); err != nil {
		t.Fatal(err)
	}
	var checked []string
	for _, c := range r.Calls() {
		if c.Method == "Check" {
			checked = append(checked, strings.Join(c.Args, " "))
		}
	}
	if want := []string{"mkube-control-plane mkube-worker mkube-worker2", "mkube-worker3"}; !slices.Equal(checked, want) {
		t.Errorf("the provider checked %q; want %q", checked, want)
	}
}
