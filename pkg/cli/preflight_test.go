package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

const unknownCheck = `Error: --ignore-preflight-errors: unknown check "swap": the checks are Provider, Image, Config, Port, Subnet, Mount, Memory, Disk, Inotify, Kubeconfig, and all
`

func TestIgnoreUnknownCheck(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"create cluster", "create cluster --dry-run", "add node", "tour"} {
		w := newWorld(t, "mkube")
		w.want(t, w.run(t, line+" --ignore-preflight-errors port,swap"), Usage, "", unknownCheck)
	}
}

// TestCreateWarns checks that warnings are printed before the steps, for programs as JSON objects.
func TestCreateWarns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create = func(_ context.Context, _ provider.Provider, _ config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
		o.Warn("little memory")
		if _, err := o.IgnorePreflightErrors.Sort(provider.Refuse(provider.CheckPort, context.Canceled)); err != nil {
			t.Errorf("Port is not ignored: %v", err)
		}
		emit(o)
		return nil, nil
	}
	if code := w.run(t, "create cluster --ignore-preflight-errors=disk,PORT --progress plain"); code != OK || !strings.HasPrefix(w.err.String(), "Warning: little memory\n"+steps) {
		t.Errorf("exit code %d:\n%s", code, w.err.String())
	}
	w.err.Reset()
	if code := w.run(t, "create cluster --ignore-preflight-errors all --progress json"); code != OK {
		t.Errorf("exit code %d", code)
	}
	first, _, _ := strings.Cut(w.err.String(), "\n")
	var message struct{ Message string }
	if err := json.Unmarshal([]byte(first), &message); err != nil || message.Message != "Warning: little memory" {
		t.Errorf("the first line is %s", first)
	}
}

func TestTourIgnores(t *testing.T) {
	t.Parallel()
	o := tourOptions{ignoreOptions: ignoreOptions{names: []string{"Port", "disk"}}, providerOptions: providerOptions{provider: vagrantName}}
	if got := strings.Join(o.flags(), " "); got != "--provider vagrant --ignore-preflight-errors=Port,disk" {
		t.Errorf("the tour creates its cluster with %s", got)
	}
}
