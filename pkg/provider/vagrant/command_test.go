package vagrant

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRunVagrant runs a real program instead of vagrant, and checks that it is interrupted once and
// waited for.
func TestRunVagrant(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	script := "#!/bin/sh\ntrap 'echo tidied in $(pwd) >tidy; exit 1' INT\necho \"$VAGRANT_CHECKPOINT_DISABLE $*\"\ntouch began\n" +
		"[ \"$1\" = version ] || while :; do sleep 0.02; done\n"
	if err := os.WriteFile(filepath.Join(dir, "vagrant"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	var out strings.Builder
	if err := runVagrant(t.Context(), work, output{&out, &out}, "version", "a b"); err != nil || out.String() != "1 version a b\n" {
		t.Errorf("it said %q, %v", out.String(), err)
	}
	if err := os.Remove(filepath.Join(work, "began")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(work, "began")); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if err := runVagrant(ctx, work, output{&out, &out}, "up"); err == nil {
		t.Error("an interrupted vagrant is no error")
	}
	if tidy, err := os.ReadFile(filepath.Join(work, "tidy")); string(tidy) != "tidied in "+work+"\n" {
		t.Errorf("it could not tidy up: %q, %v", tidy, err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	failed := errors.New("exit status 1")
	for _, tt := range []struct {
		ctx             context.Context
		err             error
		problem, stderr string
		want            string
	}{
		{t.Context(), failed, "no room", "a stack", "vagrant up: no room"},
		{t.Context(), failed, "", "ruby is not there\n", "vagrant up: ruby is not there"},
		{t.Context(), failed, "", "", "vagrant up: exit status 1"},
		{
			t.Context(), failed, "",
			"/usr/lib/ruby/vm_action.rb:7:in `create': Call to virDomainCreateWithFlags failed: unknown CPU feature: x (Libvirt::Error)\n" +
				"\tfrom /usr/lib/ruby/vm_action.rb:7:in `vm_action'\n\tfrom /usr/lib/ruby/server.rb:76:in `start'\n",
			"vagrant up: Call to virDomainCreateWithFlags failed: unknown CPU feature: x (Libvirt::Error)",
		},
		{t.Context(), &exec.Error{Name: "vagrant", Err: exec.ErrNotFound}, "", "", "vagrant is not installed: see https://developer.hashicorp.com/vagrant/install"},
		{over, failed, "no room", "", "running vagrant up: context canceled"},
	} {
		if got := explain(tt.ctx, tt.err, "up", tt.problem, tt.stderr); got.Error() != tt.want {
			t.Errorf("explain = %q; want %q", got, tt.want)
		}
	}
	if err := explain(t.Context(), nil, "up", "a warning", ""); err != nil {
		t.Errorf("success is %v", err)
	}
}
