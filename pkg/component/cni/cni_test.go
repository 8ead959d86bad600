package cni_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/component/cni"
	"github.com/mkube/mkube/pkg/component/componenttest"
	"github.com/mkube/mkube/pkg/config"
)

func TestGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, cni.New(),
		componenttest.Variant{Name: "networking", Config: config.Cluster{Networking: config.Networking{
			PodSubnet: "fd00:20::/56", ServiceSubnet: "fd00:10::/108",
		}}},
		componenttest.Variant{Name: "worker", Node: 1, Config: config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}},
	)
}

func TestDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, cni.New())
}

// TestConfiguration: the file is JSON, and its plugins are called by names that the
// node image has programs for.
func TestConfiguration(t *testing.T) {
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

func TestNoneOfOurs(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{Networking: config.Networking{DisableDefaultCNI: true}})
	if list, err := cni.New().Inert(cl, cl.Nodes[0]); len(list) != 0 || err != nil {
		t.Errorf("Files = %v, %v; want none", list, err)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	answer := ""
	api.Handle("/api/v1/nodes/mkube-control-plane", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(answer))
	})
	for _, test := range []struct{ status, message, want string }{
		{"False", "no network", "node mkube-control-plane is not Ready: no network"},
		{"True", "fine", ""},
	} {
		answer = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"mkube-control-plane"},"status":{"conditions":[
			{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"` + test.status + `","message":"` + test.message + `"}]}}`
		if got := componenttest.Message(cni.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0])); got != test.want {
			t.Errorf("with Ready %s, Ready = %q; want %q", test.status, got, test.want)
		}
	}
}
