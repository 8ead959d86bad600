package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

func TestGet(t *testing.T) {
	t.Parallel()
	const table = `NAME                 ROLE            ADDRESS     VERSION
blue-control-plane   control-plane   10.89.0.2   v1.37.2
blue-worker          worker          10.89.0.3   v1.37.2
`
	const item = `[
  {
    "name": "red-control-plane",
    "cluster": "red",
    "role": "control-plane",
    "address": "10.89.0.2",
    "kubernetesVersion": "v1.37.2"
  },
  {
    "name": "red-worker",
    "cluster": "red",
    "role": "worker",
    "address": "10.89.0.3",
    "kubernetesVersion": "v1.37.2"
  }
]
`
	for _, tt := range []struct {
		line     string
		clusters []string
		code     Code
		out, err string
	}{
		{"get clusters", nil, OK, "", "No mkube clusters found.\n"},
		{"get clusters -o json", nil, OK, "[]\n", "No mkube clusters found.\n"},
		{"get clusters", []string{"red", "blue"}, OK, "blue\nred\n", ""},
		{"get cluster -o name", []string{"red", "blue"}, OK, "blue\nred\n", ""},
		{"get clusters -o json", []string{"red"}, OK, "[\n  {\n    \"name\": \"red\"\n  }\n]\n", ""},
		{"get clusters -o yaml", []string{"red", "blue"}, OK, "- name: blue\n- name: red\n", ""},
		{"get nodes", []string{"red"}, OK, "", "No mkube nodes found for cluster \"mkube\".\n"},
		{"get nodes -o wide", nil, OK, "", "No mkube nodes found for cluster \"mkube\".\n"},
		{"get nodes -o json", nil, OK, "[]\n", "No mkube nodes found for cluster \"mkube\".\n"},
		{"get nodes -A", nil, OK, "", "No mkube nodes found.\n"},
		{"get nodes", []string{"mkube"}, OK, "mkube-control-plane\nmkube-worker\n", ""},
		{"get nodes --name red", []string{"mkube", "red"}, OK, "red-control-plane\nred-worker\n", ""},
		{"get nodes -A -o name", []string{"mkube", "red"}, OK, "mkube-control-plane\nmkube-worker\nred-control-plane\nred-worker\n", ""},
		{"get nodes --name blue -o wide", []string{"blue"}, OK, table, ""},
		{"get nodes --name red -o json", []string{"red"}, OK, item, ""},
		{"get kubeconfig", []string{"red", "blue"}, Failed, "", "Error: cluster \"mkube\" does not exist: mkube create cluster --name mkube creates it; existing clusters: blue, red\n"},
		{"get kubeconfig", nil, Failed, "", "Error: cluster \"mkube\" does not exist: mkube create cluster --name mkube creates it; no other cluster exists\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.clusters...)
			w.want(t, w.run(t, tt.line), tt.code, tt.out, tt.err)
		})
	}
}

// opens makes a world open its clusters with these keys.
func (w *world) opens(t *testing.T) *cluster.PKI {
	t.Helper()
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.open = func(ctx context.Context, p provider.Provider, name string) (*cluster.Cluster, error) {
		nodes, err := state.Nodes(ctx, p, name)
		return cluster.New(config.Cluster{Name: name}.Default(), nodes, keys), err
	}
	return keys
}

// wantKubeconfig checks the kubeconfig of a cluster.
func wantKubeconfig(t *testing.T, text, name, server string, keys *cluster.PKI) {
	t.Helper()
	if !strings.Contains(text, "\n    server: https://"+server+"\n") || !strings.HasSuffix(text, "\n") || !strings.Contains(text, "\ncurrent-context: mkube-"+name+"\n") {
		t.Errorf("the kubeconfig of %s is not for %s:\n%s", name, server, text)
	}
	authorities, users, err := kubeconfig.Embedded([]byte(text))
	if err != nil || len(authorities) != 1 || len(users) != 1 || !bytes.Equal(authorities[0], keys.Cluster.CertPEM()) || len(users[0].Key) == 0 {
		t.Errorf("the kubeconfig has %d authorities and %d users, %v", len(authorities), len(users), err)
	}
}

func TestGetKubeconfig(t *testing.T) {
	t.Parallel()
	for flags, server := range map[string]string{"": "127.0.0.1:36443", " --internal": "10.89.0.2:6443"} {
		w := newWorld(t, "red")
		keys := w.opens(t)
		if code := w.run(t, "get kubeconfig --name red"+flags); code != OK || w.err.Len() > 0 {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
		wantKubeconfig(t, w.out.String(), "red", server, keys)
	}
}

func TestClusterNameFromTheEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "blue", "red")
	w.setenv("MKUBE_CLUSTER_NAME", "red")
	w.want(t, w.run(t, "get nodes"), OK, "red-control-plane\nred-worker\n", "")
	w.out.Reset()
	w.want(t, w.run(t, "get nodes --name blue"), OK, "blue-control-plane\nblue-worker\n", "")
}

// TestDaemonIsDown checks that every command that needs the provider fails in the same way.
func TestDaemonIsDown(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"get clusters", "get nodes", "get nodes -A", "get kubeconfig", "delete cluster", "delete clusters --all",
		"export kubeconfig", "export logs", "load image web:1", "exec control-plane -- ls", "kubectl -- version",
		"tree pod/web", "trace pod web", "pki", "etcd ls",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mkube")
			w.fake.err = errors.New("the daemon is down")
			w.want(t, w.run(t, line), Failed, "", "Error: the daemon is down\n")
		})
	}
}
