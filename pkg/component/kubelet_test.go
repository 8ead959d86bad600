package component_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/config"
)

func TestKubeletGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, kubelet.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"kubelet": {"v": "4", "node-ip": "192.0.2.1", "odd": `a "b" 'c' $d \e`},
		}}},
		componenttest.Variant{Name: "feature-gates", Config: config.Cluster{FeatureGates: map[string]bool{"Zebra": true, "Ant": false}}},
		componenttest.Variant{Name: "networking", Config: config.Cluster{Networking: config.Networking{
			ServiceSubnet: "10.200.0.0/16", DNSDomain: "corp.example",
		}}},
		componenttest.Variant{Name: "taints-and-labels", Config: config.Cluster{Nodes: []config.Node{{
			Labels: map[string]string{"zone": "b", "example.com/disk": "ssd"},
			Taints: []config.Taint{{Key: "gpu", Value: "yes", Effect: "NoSchedule"}, {Key: "old", Effect: "NoExecute"}},
		}}, ExtraArgs: map[string]map[string]string{"kubelet": {"node-labels": "zone=c,rack=1"}}}},
		componenttest.Variant{Name: "worker", Node: 1, Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
		componenttest.Variant{Name: "control-plane-with-worker", Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
	)
}

func TestRegistrationGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, kubelet.Registration(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{"kubelet": {"kubeconfig": "/etc/mine.conf", "v": "4"}}}},
		componenttest.Variant{Name: "patches", Config: config.Cluster{Nodes: []config.Node{{KubeletConfigPatches: []string{
			"serverTLSBootstrap: true\nevictionHard: {imagefs.available: 1%}", "maxPods: 50",
		}}}}},
		componenttest.Variant{Name: "worker", Node: 1, Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
	)
}

func TestRegistrationDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, kubelet.Registration())
}

// TestRegistrationReady checks that the component serves once the Node object is complete, and
// that it is ready when the node's condition is.
func TestRegistrationReady(t *testing.T) {
	t.Parallel()
	const node = "/api/v1/nodes/mkube-control-plane"
	api := componenttest.NewAPI(t, config.Cluster{})
	c, cl, ctx := kubelet.Registration(), api.Cluster, context.Background()
	if got, want := componenttest.Message(c.Serves(ctx, cl, cl.Nodes[0])), "node mkube-control-plane has not registered"; got != want {
		t.Errorf("Serves = %q; want %q", got, want)
	}
	patch, answer := "", ""
	api.Handle(node, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && r.Method == http.MethodPatch {
			patch = string(body)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	})
	for _, test := range []struct{ status, message, want string }{
		{"False", "no network", "node mkube-control-plane is not Ready: no network"},
		{"True", "fine", ""},
	} {
		answer = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"mkube-control-plane"},"status":{"conditions":[
			{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"` + test.status + `","message":"` + test.message + `"}]}}`
		if got := componenttest.Message(c.Serves(ctx, cl, cl.Nodes[0])) + componenttest.Message(c.Ready(ctx, cl, cl.Nodes[0])); got != test.want {
			t.Errorf("with Ready %s, Serves and Ready = %q; want %q", test.status, got, test.want)
		}
	}
	if want := `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}},"spec":{"podCIDR":"10.244.0.0/24","podCIDRs":["10.244.0.0/24"]}}`; patch != want {
		t.Errorf("the node was patched by %s; want %s", patch, want)
	}
}

func TestKubeletDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, kubelet.New())
}

func TestKubeletConfigurationIsYAML(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{FeatureGates: map[string]bool{"A": true}})
	list, err := kubelet.New().Files(cl, cl.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]any
	if err := yaml.UnmarshalStrict(componenttest.Data(t, list, "/var/lib/kubelet/config.yaml"), &settings); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"kind": "KubeletConfiguration", "staticPodPath": "/etc/kubernetes/manifests",
		"clusterDNS": "[10.96.0.10]", "featureGates": "map[A:true]", "registerWithTaints": "[]",
	} {
		if got := fmt.Sprint(settings[field]); got != want {
			t.Errorf("%s is %s; want %s", field, got, want)
		}
	}
}

// TestKubeletFlagsSurviveTheShell checks the quoting of the variable with a shell. It is for
// systemd, but for the characters in this test, systemd's rules are the same.
func TestKubeletFlagsSurviveTheShell(t *testing.T) {
	t.Parallel()
	odd := "a \"b\" 'c' $d `e` \\f"
	cl := componenttest.Cluster(t, config.Cluster{ExtraArgs: map[string]map[string]string{"kubelet": {"odd": odd}}})
	list, err := kubelet.New().Files(cl, cl.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	env := string(componenttest.Data(t, list, "/var/lib/kubelet/flags.env"))
	// The file is parsed first, and then the variable is split. In the second step, systemd
	// differs from the shell only for backslashes and quotes within single quotes.
	out, err := exec.CommandContext(t.Context(), "sh", "-c", env+`printf %s "$KUBELET_FLAGS"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := `'--odd=` + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(odd) + `'`
	if !strings.HasSuffix(string(out), " "+want) {
		t.Errorf("the variable is %s; want it to end in %s", out, want)
	}
}

func TestKubeletStartAndReady(t *testing.T) {
	t.Parallel()
	code := 0
	cl := componenttest.ClusterOf(t, config.Cluster{}, &fake.Provider{Answer: func([]string) (string, int, bool) { return "", code, true }})
	c, n, ctx := kubelet.New(), cl.Nodes[0], context.Background()
	if got := componenttest.Message(c.Start(ctx, cl, n)) + componenttest.Message(c.Ready(ctx, cl, n)); got != "" {
		t.Errorf("Start, Ready = %s", got)
	}
	code = 7
	if got := componenttest.Message(c.Start(ctx, cl, n)); !strings.HasPrefix(got, "starting the kubelet: running systemctl start kubelet.service on mkube-control-plane: exit code 7") {
		t.Errorf("Start = %s", got)
	}
	if got, want := componenttest.Message(c.Ready(ctx, cl, n)), "running mkube-probe http 10248 /healthz on mkube-control-plane: exit code 7"; got != want {
		t.Errorf("Ready = %s; want %s", got, want)
	}
}
