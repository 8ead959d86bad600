package bootstrap_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/bootstraptest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

const configFile = "/etc/mkube/cluster.yaml"

// write writes a file to a node.
func (r *rig) write(n provider.Node, path, data string) error {
	return provider.WriteFiles(context.Background(), n, []provider.File{{Path: path, Data: []byte(data)}})
}

// TestOpenDamaged checks that the error is one line that names the damaged file.
func TestOpenDamaged(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	n, whole := r.First(t), r.File(t, "control-plane", configFile)
	for name, test := range map[string]struct{ data, want string }{
		"empty":          {"", `/etc/mkube/cluster.yaml is damaged: it belongs to cluster ""`},
		"no YAML":        {"a: [", "/etc/mkube/cluster.yaml is damaged: "},
		"half":           {whole[:len(whole)/2], "/etc/mkube/cluster.yaml is damaged: "},
		"another's":      {strings.Replace(whole, "name: mkube\n", "name: blue\n", 1), `/etc/mkube/cluster.yaml is damaged: it belongs to cluster "blue"`},
		"no pods":        {strings.Replace(whole, "podSubnet: 10.244.0.0/16", `podSubnet: ""`, 1), `/etc/mkube/cluster.yaml is damaged: networking.podSubnet "" has no part for nodes[0]`},
		"a strange role": {strings.Replace(whole, "role: worker", "role: boss", 1), `/etc/mkube/cluster.yaml is damaged: nodes[1].role is "boss"`},
		"no control plane": {
			strings.Replace(whole, "role: control-plane", "role: worker", 1),
			"/etc/mkube/cluster.yaml is damaged: it lists none of the control planes that exist",
		},
	} {
		if err := r.write(n, configFile, test.data); err != nil {
			t.Fatal(err)
		}
		_, err := state.Open(t.Context(), r, "mkube")
		want := `reading cluster "mkube" on mkube-control-plane: ` + test.want
		if !strings.HasPrefix(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%s: Open = %v; want one line that begins %s", name, err, want)
		}
	}
}

// lose removes a node from the configuration, as if an add had been killed before it updated the
// other nodes.
func (r *rig) lose(t *testing.T, i int) {
	t.Helper()
	c, err := state.Open(t.Context(), r, "mkube")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(r.File(t, "control-plane", configFile), "\n- ")
	if len(parts) != len(c.Config.Nodes)+1 {
		t.Fatalf("the configuration has %d parts", len(parts))
	}
	last, rest, _ := strings.Cut(parts[len(parts)-1], "\n")
	for rest != "" && strings.HasPrefix(rest, " ") {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		last += "\n" + line
	}
	parts[len(parts)-1] = last
	parts = append(parts[:i+1], parts[i+2:]...)
	for _, n := range c.ControlPlanes() {
		if err := r.write(n, configFile, strings.Join(parts, "\n- ")+"\n"+rest); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStrayNode checks that commands work although a node is not in the configuration.
func TestStrayNode(t *testing.T) {
	t.Parallel()
	for _, role := range []config.Role{config.Worker, config.ControlPlane} {
		cfg := planes
		cfg.Nodes = append([]config.Node{{}, {}, {}, {Role: config.Worker}}, config.Node{Role: role})
		stray := map[config.Role]string{config.Worker: "mkube-worker2", config.ControlPlane: "mkube-control-plane4"}[role]
		r := up(t, cfg)
		r.lose(t, 4)
		var warned []string
		o := bootstrap.Options{Wait: time.Minute, Warn: func(line string) { warned = append(warned, line) }}
		if err := bootstrap.Start(t.Context(), r, "mkube", o); err != nil {
			t.Errorf("%s: Start = %v", role, err)
		}
		want := "node " + stray + ` is not part of cluster "mkube": an interrupted command left it behind; mkube delete node ` + stray + " --name mkube deletes it"
		if len(warned) != 1 || warned[0] != want {
			t.Errorf("%s: start warned of %q; want %s", role, warned, want)
		}
		// The stray has the index and the address that the next node needs.
		name, err := r.addNode(t, config.Node{Role: role})
		if err != nil || name != stray {
			t.Errorf("%s: AddNode = %s, %v; want %s", role, name, err, stray)
		}
		if role == config.ControlPlane && !r.ran("control-plane", "mkube-etcd member remove https://10.89.0.6:2380") {
			t.Error("etcd still counts the member of the stray node")
		}
		r.lose(t, 4)
		if err := r.removeNode(t, strings.TrimPrefix(stray, "mkube-")); err != nil {
			t.Errorf("%s: RemoveNode = %v", role, err)
		}
		if got := r.Names(t); strings.Contains(got, strings.TrimPrefix(stray, "mkube-")) {
			t.Errorf("%s: the nodes are %s", role, got)
		}
	}
}

// TestGoneNode checks that commands warn of a node that a killed delete or a user of the engine
// removed only in part, and that delete node removes the rest.
func TestGoneNode(t *testing.T) {
	t.Parallel()
	cfg := planes
	cfg.Nodes = []config.Node{{}, {}, {}, {Role: config.Worker}, {Role: config.Worker}}
	r := up(t, cfg)
	gone := []string{"mkube-control-plane2", "mkube-worker", "mkube-worker2"}
	for _, name := range gone {
		if err := r.Remove(t.Context(), "mkube", name); err != nil {
			t.Fatal(err)
		}
	}
	for len(gone) > 0 {
		c, err := state.Open(t.Context(), r, "mkube")
		if err != nil || !slices.Equal(c.Gone, gone) || len(c.Strays) != 0 {
			t.Fatalf("Open = %v, %v; want %q to be gone", c, err, gone)
		}
		want := fmt.Sprintf(`node %s of cluster "mkube" no longer exists; mkube delete node %[1]s --name mkube deletes what is left of it in the cluster`, gone[0])
		if got := state.LeftoverWarnings(c); len(got) != len(gone) || got[0] != want {
			t.Errorf("the warnings are %q; want %s first", got, want)
		}
		var deleted atomic.Bool
		r.API.Handle("/api/v1/nodes/"+gone[0], func(w http.ResponseWriter, request *http.Request) {
			deleted.Store(request.Method == http.MethodDelete)
			r.API.Default(w, request)
		})
		if err := r.removeNode(t, strings.TrimPrefix(gone[0], "mkube-")); err != nil {
			t.Errorf("RemoveNode = %v", err)
		}
		if !deleted.Load() {
			t.Errorf("the object of %s was not deleted", gone[0])
		}
		gone = gone[1:]
	}
	if !r.ran("control-plane", "mkube-etcd member keep https://10.89.0.2:2380 https://10.89.0.4:2380") {
		t.Error("etcd still waits for the member")
	}
	if c, err := state.Open(t.Context(), r, "mkube"); err != nil || len(c.Gone) != 0 || len(c.Nodes) != 3 {
		t.Errorf("Open = %v, %v; want three nodes", c, err)
	}
}

// TestGoneLoadBalancer checks that the warning and delete node both say to create the cluster
// again. Without the load balancer, the API servers are unreachable.
func TestGoneLoadBalancer(t *testing.T) {
	t.Parallel()
	r := up(t, planes)
	if err := r.Remove(t.Context(), "mkube", "mkube-external-load-balancer"); err != nil {
		t.Fatal(err)
	}
	c, err := state.Open(t.Context(), r, "mkube")
	if err != nil {
		t.Fatal(err)
	}
	if got := state.LeftoverWarnings(c); len(got) != 1 || !strings.HasSuffix(got[0], "create the cluster again") {
		t.Errorf("the warnings are %q", got)
	}
	if err := r.removeNode(t, "external-load-balancer"); err == nil || !strings.HasSuffix(err.Error(), "create the cluster again") {
		t.Errorf("RemoveNode = %v", err)
	}
}

// TestStrayInAFreePlace checks a killed add that took the index of a deleted node, which is still
// in the configuration.
func TestStrayInAFreePlace(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	if err := r.removeNode(t, "worker2"); err != nil {
		t.Fatal(err)
	}
	c, err := state.Open(t.Context(), r, "mkube")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Add(t.Context(), c.Config, 2, "killed", func([]provider.Node) (map[string][]provider.File, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	if c, err = state.Open(t.Context(), r, "mkube"); err != nil || len(c.Strays) != 1 || c.Strays[0].Name() != "mkube-worker2" {
		t.Fatalf("Open = %v, %v; want mkube-worker2 to be a stray", c.Strays, err)
	}
	if name, err := r.addNode(t, config.Node{Role: config.Worker}); err != nil || name != "mkube-worker2" {
		t.Errorf("AddNode = %s, %v; want mkube-worker2", name, err)
	}
	if c, err = state.Open(t.Context(), r, "mkube"); err != nil || len(c.Strays) != 0 || len(c.Nodes) != 3 {
		t.Errorf("Open = %v and %v, %v; want three nodes and no stray", c.Nodes, c.Strays, err)
	}
}

// FuzzOpen checks that Open returns an error, or a cluster of which every component can be
// rendered, whatever the files of a control plane contain.
func FuzzOpen(f *testing.F) {
	p := new(fake.Provider)
	cfg := config.Cluster{Nodes: []config.Node{{}, {}, {Role: config.Worker}}}.Default()
	r := &rig{&bootstraptest.Rig{Provider: p}}
	nodes, err := p.Create(context.Background(), cfg, "", func(nodes []provider.Node) (map[string][]provider.File, error) {
		return bootstrap.SeedOf(cfg, nodes)
	})
	if err != nil {
		f.Fatal(err)
	}
	n := nodes[0].(*fake.Node)
	whole, _ := n.File(configFile)
	p.Answer = func([]string) (string, int, bool) { return "", 0, true }
	f.Add(string(whole.Data), "", "", true)
	f.Add(string(whole.Data), "etcd\n", "", false)
	f.Add(strings.ReplaceAll(string(whole.Data), "worker", "control-plane"), "nothing", "x", true)
	f.Add("", "", "", true)
	for _, field := range []string{"podSubnet: 10.244.0.0/16", "serviceSubnet: 10.96.0.0/16", "name: mkube", "role: worker", "dnsDomain: cluster.local"} {
		key, _, _ := strings.Cut(field, ":")
		f.Add(strings.Replace(string(whole.Data), field, key+`: ""`, 1), "", "", true)
	}
	f.Fuzz(func(t *testing.T, cluster, stage, key string, keep bool) {
		for path, data := range map[string]string{configFile: cluster, "/etc/mkube/stage": stage} {
			if err := r.write(n, path, data); err != nil {
				t.Fatal(err)
			}
		}
		ca, _ := n.File("/etc/mkube/pki/ca.crt")
		if !keep {
			if err := r.write(n, "/etc/mkube/pki/ca.crt", key); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.write(n, "/etc/mkube/pki/ca.crt", string(ca.Data)) }()
		}
		c, err := state.Open(context.Background(), p, "mkube")
		if err != nil {
			return
		}
		for _, n := range append(c.Nodes, c.Strays...) {
			c.Spec(n)
			c.PodCIDRs(n)
		}
		state.LeftoverWarnings(c)
		_, _ = bootstrap.Render(c) // it must not panic, but may return an error
	})
}
