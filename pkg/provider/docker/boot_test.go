package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/mkube/mkube/pkg/config"
)

// bootEngine is an engine that refuses some starts. Each refusal gets the port of the API server,
// and returns the error of one start, "" to accept it.
type bootEngine struct {
	refusals []func(port string) string
	did      []string
	ports    []string
}

func (e *bootEngine) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/containers/create"):
		var request struct{ HostConfig container.HostConfig }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		e.ports = append(e.ports, request.HostConfig.PortBindings["6443/tcp"][0].HostPort)
		e.did = append(e.did, fmt.Sprintf("create privileged=%t", request.HostConfig.Privileged))
		json.NewEncoder(w).Encode(container.CreateResponse{ID: "abc"})
	case strings.HasSuffix(path, "/start"):
		e.did = append(e.did, "start")
		refusal := ""
		if n := len(e.ports) - 1; n < len(e.refusals) {
			refusal = e.refusals[n](e.ports[n])
		}
		if refusal == "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]string{"message": refusal})
	case r.Method == http.MethodDelete:
		e.did = append(e.did, "remove")
		w.WriteHeader(http.StatusNoContent)
	}
}

func taken(port string) string {
	return "driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:" + port + " failed: port is already allocated"
}

func noCaps(string) string { return "unable to apply caps: operation not permitted" }

// TestBoot checks that a node is created again if the engine refuses a chosen port or capabilities,
// but not if it refuses what the user has set.
func TestBoot(t *testing.T) {
	t.Parallel()
	again := func(privileged bool) []string {
		return []string{"remove", fmt.Sprintf("create privileged=%t", privileged), "start"}
	}
	once := []string{"create privileged=true", "start"}
	for name, tt := range map[string]struct {
		port     int32
		refusals []func(string) string
		did      []string
		err      string
	}{
		"at once":             {0, nil, once, ""},
		"a port is lost":      {0, []func(string) string{taken}, slices.Concat(once, again(true)), ""},
		"capabilities":        {0, []func(string) string{noCaps}, slices.Concat(once, again(false)), ""},
		"both":                {0, []func(string) string{taken, noCaps, taken}, slices.Concat(once, again(true), again(false), again(false)), ""},
		"the user's own port": {23456, []func(string) string{taken}, once, "booting n: Error response from daemon: " + taken("23456") + ": choose another host port, or stop the program that listens there"},
		"always":              {0, slices.Repeat([]func(string) string{taken}, bootAttempts), nil, "booting n: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &bootEngine{refusals: tt.refusals}
			p := New(daemon(t, e.answer))
			cfg := config.Cluster{Networking: config.Networking{APIServerPort: tt.port}}.Default()
			free := noPorts(false)
			n := &node{client: p.client, name: "n", role: config.ControlPlane, ips: []netip.Addr{netip.MustParseAddr("10.89.0.2")}, attached: new(network.EndpointIPAMConfig), free: free}
			err := p.boot(t.Context(), cfg, 0, n, privileges{}, nil)
			if tt.err == "" && err != nil || tt.err != "" && !strings.HasPrefix(fmt.Sprint(err), tt.err) {
				t.Errorf("boot = %v; want %q", err, tt.err)
			}
			if tt.did != nil && !slices.Equal(e.did, tt.did) {
				t.Errorf("the engine was asked to %q; want %q", e.did, tt.did)
			}
			if tt.did == nil && len(e.ports) != bootAttempts {
				t.Errorf("%d nodes were made; want %d", len(e.ports), bootAttempts)
			}
			if distinct := slices.Compact(slices.Sorted(slices.Values(e.ports))); len(distinct) != len(e.ports) {
				t.Errorf("the ports %q repeat", e.ports)
			}
		})
	}
}
