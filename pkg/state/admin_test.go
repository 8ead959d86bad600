package state

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// reachable is a node whose ports the host reaches.
type reachable struct {
	fake.Scripted
	endpoint string
	err      error
}

func (n reachable) Endpoint(context.Context, int) (string, error) {
	return cmp.Or(n.endpoint, "127.0.0.1:36443"), n.err
}

func (n reachable) IPs() []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.89.0.2")} }

// TestAdminEntry checks that AdminEntry reads what a component's kubeconfig is written with.
func TestAdminEntry(t *testing.T) {
	t.Parallel()
	written := kubeconfig.Entry{
		Name: "blue", Server: "https://10.89.0.2:6443",
		CA: []byte("ca"), ClientCert: []byte("cert"), ClientKey: []byte("key"),
	}
	file, err := written.YAML()
	if err != nil {
		t.Fatal(err)
	}
	n := reachable{fake.Scripted{NodeName: "blue-control-plane", NodeRole: config.ControlPlane, RunFunc: fake.Prints(string(file))}, "", nil}
	for internal, server := range map[bool]string{false: "https://127.0.0.1:36443", true: "https://10.89.0.2:6443"} {
		want := written
		want.Name, want.Server = "mkube-blue", server
		got, err := AdminEntry(t.Context(), "blue", []provider.Node{n}, internal)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("internal %t: got %+v, %v", internal, got, err)
		}
	}
}

// TestAdminEntryElsewhere checks an engine whose host name is not in the certificate: the entry
// gets a TLS server name that is.
func TestAdminEntryElsewhere(t *testing.T) {
	t.Parallel()
	admin, err := kubeconfig.Entry{Name: "a", Server: "s", CA: []byte("ca"), ClientCert: []byte("cert"), ClientKey: []byte("key")}.YAML()
	if err != nil {
		t.Fatal(err)
	}
	says := func(cfg string) func(context.Context, provider.Cmd) error {
		return func(_ context.Context, cmd provider.Cmd) error {
			text := cfg
			if cmd.Args[1] == names.AdminKubeconfig {
				text = string(admin)
			}
			_, err := io.WriteString(cmd.Stdout, text)
			return err
		}
	}
	const cfg = "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking: {apiServerAddress: 0.0.0.0, apiServerCertSANs: [build.example.com]}\n"
	for endpoint, name := range map[string]string{"build.example.com:6443": "", "192.0.2.1:6443": "kubernetes", "10.89.0.2:6443": ""} {
		n := reachable{fake.Scripted{NodeName: "n", NodeRole: config.ControlPlane, RunFunc: says(cfg)}, endpoint, nil}
		got, err := AdminEntry(t.Context(), "blue", []provider.Node{n}, false)
		if err != nil || got.Server != "https://"+endpoint || got.TLSServerName != name {
			t.Errorf("the entry is for %s as %q, %v; want %s as %q", got.Server, got.TLSServerName, err, endpoint, name)
		}
	}
	n := reachable{fake.Scripted{NodeName: "n", NodeRole: config.ControlPlane, RunFunc: says("{")}, "192.0.2.1:6443", nil}
	if _, err := AdminEntry(t.Context(), "blue", []provider.Node{n}, false); err == nil || !strings.HasPrefix(err.Error(), "reading /etc/mkube/cluster.yaml on n: ") {
		t.Errorf("a configuration that is no YAML: %v", err)
	}
}

func TestAdminEntryFails(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, tt := range []struct {
		name string
		role config.Role
		run  func(context.Context, provider.Cmd) error
		err  error
		want string
	}{
		{"no control plane", config.Worker, nil, nil, "none of the cluster's 1 nodes is a control plane"},
		{"unreadable", config.ControlPlane, fake.Fails(down), nil, `reading the kubeconfig of cluster "blue": down`},
		{"no YAML", config.ControlPlane, fake.Prints("{"), nil, "reading /etc/kubernetes/admin.conf on n: "},
		{"empty", config.ControlPlane, fake.Prints(""), nil, "0 clusters and 0 users instead of one each"},
		{"unreachable", config.ControlPlane, fake.Prints("clusters: [{}]\nusers: [{}]"), down, "down"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := reachable{fake.Scripted{NodeName: "n", NodeRole: tt.role, RunFunc: tt.run}, "", tt.err}
			_, err := AdminEntry(t.Context(), "blue", []provider.Node{n}, false)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
