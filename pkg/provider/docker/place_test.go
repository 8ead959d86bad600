package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
)

// at returns a client of an engine to which no requests are sent.
func at(t *testing.T, host string) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(host))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sshCommand replaces the ssh command by a script.
func sshCommand(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestPlaceOf sets a variable of the process, so it cannot run in parallel with other tests.
func TestPlaceOf(t *testing.T) {
	sshCommand(t, `case "$*" in
"-G -- alias") echo "user me"; echo "hostname 192.0.2.9" ;;
"-G -p 2222 -- alias") echo "hostname [2001:db8::9]" | tr -d '[]' ;;
"-G -- here") echo "hostname localhost" ;;
"-G -- odd") echo "nothing of use" ;;
*) exit 255 ;;
esac`)
	here := place{listen: "127.0.0.1"}
	for host, want := range map[string]place{
		"unix:///var/run/docker.sock": here,
		"tcp://127.0.0.1:2375":        here,
		"tcp://localhost:2375":        here,
		"tcp://[::1]:2375":            here,
		"tcp://0.0.0.0:2375":          here,
		"tcp://192.0.2.1:2375":        {"192.0.2.1", "0.0.0.0"},
		"tcp://[2001:db8::1]:2376":    {"2001:db8::1", "::"},
		"tcp://nowhere.invalid:2376":  {"nowhere.invalid", "0.0.0.0"},
		"ssh://alias":                 {"192.0.2.9", "0.0.0.0"},
		"ssh://alias:2222":            {"2001:db8::9", "::"},
		"tcp://Build.Invalid:2375":    {"build.invalid", "0.0.0.0"},
		"ssh://here":                  here,
		"ssh://odd":                   {"odd", "0.0.0.0"},
		"ssh://nowhere.invalid":       {"nowhere.invalid", "0.0.0.0"},
	} {
		if got := placeOf(t.Context(), at(t, host)); got != want {
			t.Errorf("placeOf(%s) = %+v; want %+v", host, got, want)
		}
	}
}

func TestCertifiable(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"build": true, "build.example.com": true, "192.0.2.1": true, "2001:db8::1": true,
		"bücher.example": false, "my_host": false, "build.example.com.": false, "fe80::1%eth0": false,
	} {
		if got := certifiable(host); got != want {
			t.Errorf("certifiable(%s) = %t", host, got)
		}
	}
}

func TestReached(t *testing.T) {
	t.Parallel()
	local, remote := place{listen: "127.0.0.1"}, place{"build.example.com", "0.0.0.0"}
	for _, tt := range []struct {
		at            place
		address, want string
	}{
		{local, "127.0.0.1", "127.0.0.1"},
		{local, "", "127.0.0.1"},
		{local, "0.0.0.0", "127.0.0.1"},
		{local, "::", "::1"},
		{local, "::1", "::1"},
		{local, "192.0.2.7", "192.0.2.7"},
		{remote, "", "build.example.com"},
		{remote, "0.0.0.0", "build.example.com"},
		{remote, "::", "build.example.com"},
		{remote, "127.0.0.1", "127.0.0.1"},
		{remote, "192.0.2.7", "192.0.2.7"},
	} {
		if got := tt.at.reached(tt.address); got != tt.want {
			t.Errorf("what is published at %q of host %q is reached at %s; want %s", tt.address, tt.at.host, got, tt.want)
		}
	}
}

// TestPlace checks, among others, that a local engine changes only addresses that are not set.
func TestPlace(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{Nodes: []config.Node{{
		ExtraMounts:       []config.Mount{{HostPath: "data", ContainerPath: "/data"}},
		ExtraPortMappings: []config.PortMapping{{ContainerPort: 80}},
	}}}.Default()
	placed, warnings, err := New(at(t, "unix:///s")).Place(t.Context(), cfg)
	if err != nil || warnings != nil || placed.Networking.APIServerAddress != "127.0.0.1" || placed.Nodes[0].ExtraPortMappings[0].ListenAddress != "127.0.0.1" || placed.Networking.APIServerCertSANs != nil {
		t.Errorf("placed locally: %+v, %q, %v", placed, warnings, err)
	}
	remote := New(at(t, "tcp://192.0.2.1:2375"))
	placed, warnings, err = remote.Place(t.Context(), cfg)
	if want := `nodes[0].extraMounts[0].hostPath: "data" is relative, but the files are on the Docker daemon's host 192.0.2.1: use an absolute path of that host`; fmt.Sprint(err) != want || warnings != nil {
		t.Errorf("Place = %q, %v; want %s", warnings, err, want)
	}
	n := placed.Networking
	if n.APIServerAddress != "0.0.0.0" || placed.Nodes[0].ExtraPortMappings[0].ListenAddress != "0.0.0.0" || !slices.Equal(n.APIServerCertSANs, []string{"192.0.2.1"}) {
		t.Errorf("placed remotely: %+v", placed)
	}
	if again, _, _ := remote.Place(context.Background(), placed); !slices.Equal(again.Networking.APIServerCertSANs, n.APIServerCertSANs) {
		t.Errorf("placed again: %v", again.Networking.APIServerCertSANs)
	}
}

// TestPlaceOnALoopback checks that ports on the loopback address of a remote engine are reported as
// unreachable.
func TestPlaceOnALoopback(t *testing.T) {
	t.Parallel()
	remote := New(at(t, "tcp://192.0.2.1:2375"))
	cfg := config.Cluster{
		Networking: config.Networking{APIServerAddress: "127.0.0.1"},
		Nodes:      []config.Node{{ExtraPortMappings: []config.PortMapping{{ContainerPort: 80, ListenAddress: "::1"}}}},
	}.Default()
	_, warnings, err := remote.Place(t.Context(), cfg)
	if want := "networking.apiServerAddress: 127.0.0.1 is the loopback address of the Docker daemon's host 192.0.2.1, which this machine cannot reach: remove this field, or set apiServerPort and forward that port (ssh -L)"; fmt.Sprint(err) != want {
		t.Errorf("Place = %v; want %s", err, want)
	}
	if want := []string{"nodes[0].extraPortMappings[0].listenAddress: ::1 is the loopback address of the Docker daemon's host 192.0.2.1: this machine cannot reach it"}; !slices.Equal(warnings, want) {
		t.Errorf("the warnings are %q; want %q", warnings, want)
	}
	cfg.Networking.APIServerPort = 7443
	_, warnings, err = remote.Place(t.Context(), cfg)
	if err != nil || len(warnings) != 2 || !strings.HasSuffix(warnings[0], ": the cluster only comes up if port 7443 of this machine is forwarded there (ssh -L)") {
		t.Errorf("Place = %q, %v", warnings, err)
	}
}
