package component_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/component/cni"
	"github.com/mkube/mkube/pkg/config"
)

func TestCNIGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, cni.New(),
		componenttest.Variant{Name: "networking", Config: config.Cluster{Networking: config.Networking{
			PodSubnet: "fd00:20::/56", ServiceSubnet: "fd00:10::/108",
		}}},
		componenttest.Variant{Name: "worker", Node: 1, Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
	)
}

func TestCNIDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, cni.New())
}

// TestCNIConfiguration checks that the file is valid JSON, and that the node image has a program
// for each of its plugins.
func TestCNIConfiguration(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{})
	list, err := cni.New().Files(cl, cl.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	var conflist struct {
		CNIVersion string
		Plugins    []struct{ Type string }
	}
	if err := json.Unmarshal(list[0].Data, &conflist); err != nil {
		t.Fatal(err)
	}
	var plugins []string
	for _, p := range conflist.Plugins {
		plugins = append(plugins, p.Type)
	}
	if got := strings.Join(plugins, ","); got == "" || strings.Contains(got, ",,") || conflist.CNIVersion == "" {
		t.Errorf("plugins are %q of CNI version %q", got, conflist.CNIVersion)
	}
}

func TestCNINoneOfOurs(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{Networking: config.Networking{DisableDefaultCNI: true}})
	if list, err := cni.New().RenderFiles(cl, cl.Nodes[0]); len(list) != 0 || err != nil {
		t.Errorf("Files = %v, %v; want none", list, err)
	}
}

func TestCNIReady(t *testing.T) {
	t.Parallel()
	state, code := "active\n", 0
	cl := componenttest.ClusterOf(t, config.Cluster{}, &fake.Provider{Answer: func([]string) (string, int, bool) { return state, code, true }})
	ready := func(want string) {
		t.Helper()
		if got := componenttest.Message(cni.New().Ready(context.Background(), cl, cl.Nodes[0])); got != want {
			t.Errorf("Ready = %q; want %q", got, want)
		}
	}
	ready("")
	state, code = "failed\n", 3
	ready("mkube-pod-network.service is failed")
}
