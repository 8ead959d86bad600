package networkpolicies

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrite checks which programs run. They are scripts that record their arguments.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	log := filepath.Join(dir, "log")
	program := func(name, script string) {
		t.Helper()
		script = "#!/bin/sh\necho " + name + " \"$@\" >>" + log + "\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const hooked, unhooked, broken = "", `[ "$4" != --check ]`, "echo no such table >&2; exit 1"
	program("iptables", unhooked)
	program("iptables-restore", "cat >/dev/null")
	program("ip6tables", hooked)
	program("ip6tables-restore", "cat >/dev/null")
	r := ruleset{cidrs: cidrs("10.244.0.0/24")}
	d := datapath{rules: func() (ruleset, error) { return r, nil }, written: map[string]string{}}
	write := func(wantErr string, want ...string) {
		t.Helper()
		err := d.write(t.Context())
		if got := message(err); got != wantErr {
			t.Errorf("write = %q; want %q", got, wantErr)
		}
		data, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if got, want := string(data), strings.Join(want, "\n"); strings.TrimSpace(got) != want {
			t.Errorf("it runs\n%s\nwant\n%s", got, want)
		}
		_ = os.Remove(log)
	}
	const check, add = "--wait --table mangle --check FORWARD --jump MKUBE-POLICIES", "--wait --table mangle --append FORWARD --jump MKUBE-POLICIES"
	const four, six = "iptables-restore --wait --noflush", "ip6tables-restore --wait --noflush"
	write("", four, "iptables "+check, "iptables "+add, six, "ip6tables "+check)
	write("") // nothing has changed
	r.policies = true
	write("", four, six)
	r.exempt = []netip.Addr{netip.MustParseAddr("10.244.0.2")}
	write("", four)
	program("ip6tables-restore", broken)
	r.policies = false
	write("", four, six) // the cluster has no IPv6
	program("iptables-restore", broken)
	r.policies = true
	write("running iptables-restore --wait --noflush: exit status 1: no such table", four)
	program("iptables-restore", "cat >/dev/null")
	program("ip6tables-restore", "cat >/dev/null")
	r.policies = false
	write("", six) // IPv4 has no policy already, because the last write failed
	d.rules = func() (ruleset, error) { return r, errors.New("cannot read") }
	write("cannot read")
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
