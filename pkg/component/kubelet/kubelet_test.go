package kubelet_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/component/componenttest"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider/fake"
)

func TestGolden(t *testing.T) {
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
		}}}},
		componenttest.Variant{Name: "worker", Node: 1, Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
		componenttest.Variant{Name: "control-plane-with-worker", Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
	)
}

func TestDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, kubelet.New())
	cl := componenttest.Cluster(t, config.Cluster{Nodes: []config.Node{{Labels: map[string]string{"a": "b"}}}})
	componenttest.Flags(t, kubelet.Flags(cl, cl.Nodes[0]))
}

func TestConfigurationIsYAML(t *testing.T) {
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

// TestFlagsSurviveTheShell: the variable is quoted for systemd, whose rules for what
// is used here are the shell's.
func TestFlagsSurviveTheShell(t *testing.T) {
	t.Parallel()
	odd := "a \"b\" 'c' $d `e` \\f"
	cl := componenttest.Cluster(t, config.Cluster{ExtraArgs: map[string]map[string]string{"kubelet": {"odd": odd}}})
	list, err := kubelet.New().Files(cl, cl.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	env := string(componenttest.Data(t, list, "/var/lib/kubelet/flags.env"))
	// First as the file is read, then as the variable is split; of the second only
	// backslash and quotes within single quotes differ from the shell's.
	out, err := exec.CommandContext(t.Context(), "sh", "-c", env+`printf %s "$KUBELET_FLAGS"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := `'--odd=` + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(odd) + `'`
	if !strings.HasSuffix(string(out), " "+want) {
		t.Errorf("the variable is %s; want it to end in %s", out, want)
	}
}

func TestStartAndReady(t *testing.T) {
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
	if got, want := componenttest.Message(c.Ready(ctx, cl, n)), "running mkube-probe 10248 /healthz on mkube-control-plane: exit code 7"; got != want {
		t.Errorf("Ready = %s; want %s", got, want)
	}
}
