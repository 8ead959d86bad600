package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/mkube/mkube/pkg/config"
)

func noPorts(local bool) *freePorts {
	return &freePorts{listen: config.Loopback, local: local, taken: map[string]bool{}, chosen: map[string]bool{}}
}

// TestPortsThatAreFree checks that ports that the configuration omits are chosen before the node is
// created, for each protocol, so that they stay the same after a restart.
func TestPortsThatAreFree(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{Nodes: []config.Node{{ExtraPortMappings: []config.PortMapping{
		{ContainerPort: 80}, {ContainerPort: 80, ListenAddress: "::1"}, {ContainerPort: 53, Protocol: "UDP"},
		{ContainerPort: 53, Protocol: "UDP"}, {ContainerPort: 99, Protocol: "SCTP"},
	}}}}.Default()
	for _, local := range []bool{true, false} {
		_, bindings, err := ports(cfg, 0, noPorts(local))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for key, list := range bindings {
			for _, b := range list {
				port, err := strconv.Atoi(b.HostPort)
				if err != nil || port < firstFreePort || port > lastFreePort {
					t.Errorf("%s is published at port %q", key, b.HostPort)
				}
				if at := key.Proto() + b.HostPort; seen[at] {
					t.Errorf("%s is given twice", at)
				} else {
					seen[at] = true
				}
			}
		}
		if len(seen) != 6 {
			t.Errorf("the ports are published as %v; want six", bindings)
		}
	}
}

// TestChoose leaves only one port free, to check which ports choose avoids.
func TestChoose(t *testing.T) {
	t.Parallel()
	f := noPorts(true)
	tcp := listenInRange(t)
	udp, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(tcp))))
	for tries := 0; err != nil && tries < 20; tries++ { // another program may use that port for UDP
		tcp = listenInRange(t)
		udp, err = net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(tcp))))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for port := int32(firstFreePort); port <= lastFreePort; port++ {
		if port != tcp {
			f.take("tcp", port)
			f.take("udp", port)
			f.take("sctp", port)
		}
	}
	for _, protocol := range []string{"tcp", "udp"} {
		_, err := f.choose(protocol, "127.0.0.1")
		want := "no free " + protocol + " port from 20000 to 29999 on 127.0.0.1: choose a port with hostPort"
		if fmt.Sprint(err) != want {
			t.Errorf("choose = %v; want %s", err, want)
		}
	}
	if listens("tcp", "::1", tcp) || listens("sctp", "127.0.0.1", tcp) || listens("tcp", "192.0.2.1", tcp) {
		t.Error("a port of another address, of another protocol or of another machine is taken")
	}
}

// listenInRange listens on a port of the range until the test ends, and returns it.
func listenInRange(t *testing.T) int32 {
	t.Helper()
	f := noPorts(true)
	port, err := f.choose("tcp", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		t.Fatalf("the chosen port is not free: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return port
}

// TestChooseFromManyAtOnce chooses concurrently, as the nodes of one create do.
func TestChooseFromManyAtOnce(t *testing.T) {
	t.Parallel()
	f := noPorts(false)
	const n = 200
	given := make(chan int32, n)
	for range n {
		go func() {
			port, err := f.choose("udp", "127.0.0.1")
			if err != nil {
				t.Error(err)
			}
			given <- port
		}()
	}
	seen := map[int32]bool{}
	for range n {
		port := <-given
		if seen[port] {
			t.Errorf("port %d is given twice", port)
		}
		seen[port] = true
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	f := noPorts(false)
	f.chosen["23456"] = true
	for message, want := range map[string]bool{
		"driver failed programming external connectivity on endpoint x (ab): Bind for 127.0.0.1:23456 failed: port is already allocated": true,
		"Error starting userland proxy: listen tcp4 127.0.0.1:23456: bind: address already in use":                                       true,
		"Error starting userland proxy: listen udp6 [::1]:23456: bind: address already in use":                                           true,
		"failed to bind host port 0.0.0.0:23456/tcp: address already in use":                                                             true,
		"Bind for 127.0.0.1:8080 failed: port is already allocated":                                                                      false,
		"Bind for 127.0.0.1:2345 failed: port is already allocated":                                                                      false,
		"listen tcp4 127.0.0.1:23456: bind: cannot assign requested address":                                                             false,
	} {
		if got := f.lost(errors.New(message)); got != want {
			t.Errorf("lost(%s) = %t", message, got)
		}
	}
}

// TestFreePorts checks that the ports of the configuration, of running containers and of stopped
// nodes are not chosen.
func TestFreePorts(t *testing.T) {
	t.Parallel()
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			json.NewEncoder(w).Encode([]container.Summary{
				{ID: "runs", State: "running", Ports: []container.Port{{PrivatePort: 80, PublicPort: 20001, Type: "udp"}}},
				{ID: "stopped", State: "exited", Labels: map[string]string{labelCluster: "other"}},
				{ID: "gone", State: "exited", Labels: map[string]string{labelCluster: "other"}},
				{ID: "theirs", State: "exited"},
			})
		case strings.HasSuffix(r.URL.Path, "/containers/stopped/json"):
			json.NewEncoder(w).Encode(container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{
				PortBindings: nat.PortMap{"6443/tcp": {{HostIP: "127.0.0.1", HostPort: "20002"}}, "9/tcp": {{}}},
			}}})
		default:
			http.Error(w, `{"message":"no such container"}`, http.StatusNotFound)
		}
	})
	cfg := config.Cluster{
		Networking: config.Networking{APIServerPort: 20003},
		Nodes:      []config.Node{{ExtraPortMappings: []config.PortMapping{{HostPort: 20004, Protocol: "SCTP"}, {}}}},
	}.Default()
	f, err := New(c).freePorts(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"20001/udp": true, "20002/tcp": true, "20003/tcp": true, "20004/sctp": true, "0/tcp": true}
	if !reflect.DeepEqual(f.taken, want) || !f.local || f.listen != "127.0.0.1" {
		t.Errorf("taken are %v, the engine is local: %t, ports are at %s; want %v", f.taken, f.local, f.listen, want)
	}
}
