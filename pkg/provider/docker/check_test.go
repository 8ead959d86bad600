package docker

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// checked is a daemon with the data that Check requests. Each field is encoded as JSON in an
// answer.
type checked struct{ info, image, networks any }

func (e checked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	answer := any(struct{}{})
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/info"):
		answer = e.info
	case strings.Contains(path, "/images/") && e.image == nil:
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]string{"message": "No such image"}
	case strings.Contains(path, "/images/"):
		answer = e.image
	case strings.HasSuffix(path, "/networks"):
		answer = e.networks
	}
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

type object = map[string]any

func networks(subnets ...string) []object {
	list := []object{{"Name": "host"}}
	for i, s := range subnets {
		list = append(list, object{"Name": "n" + strconv.Itoa(i), "IPAM": object{"Config": []object{{"Subnet": s}}}})
	}
	return list
}

func uses(subnets ...string) func() ([]hostnet.Use, error) {
	var list []hostnet.Use
	for _, s := range subnets {
		list = append(list, hostnet.Use{Subnet: netip.MustParsePrefix(s), By: "this host's eth0"})
	}
	return func() ([]hostnet.Use, error) { return list, nil }
}

const kernel = "6.1.0"

// healthy returns a daemon and a host on which Check finds no problem.
func healthy() (checked, machine) {
	e := checked{
		info:     object{"OSType": "linux", "KernelVersion": kernel, "MemTotal": 8 << 30, "DockerRootDir": "/var/lib/docker"},
		image:    object{"Config": object{"Labels": object{names.LabelKubernetes: "v1.37.2", names.LabelMetricsServer: "v0.9.0"}}},
		networks: networks("172.17.0.0/16"),
	}
	m := machine{
		networks: hostnet.Networks{Addresses: uses("192.168.1.0/24"), Routes: uses()},
		memory:   func() (uint64, bool) { return 4 << 30, true },
		free:     func(string) (uint64, bool) { return 40 << 30, true },
		kernel:   func() string { return kernel },
		beside:   func(string) bool { return false },
		inotify:  func() (int, int, bool) { return 1024, 100, true },
	}
	return e, m
}

// problemsOf returns the problems that Check finds, a line each.
func problemsOf(t *testing.T, e checked, m machine, cfg config.Cluster) string {
	t.Helper()
	p := New(daemon(t, e.ServeHTTP))
	p.machine = m
	var lines []string
	for _, problem := range p.Check(t.Context(), cfg) {
		name := problem.Name
		if problem.Warning {
			name += " warning"
		}
		lines = append(lines, name+": "+problem.Err.Error())
	}
	return strings.Join(lines, "\n")
}

// TestCheck has a case in which each check finds a problem. In "nothing is wrong", all checks pass.
// In some more cases, a check passes though it is near its limit.
func TestCheck(t *testing.T) {
	t.Parallel()
	plain := func() config.Cluster {
		return config.Cluster{Nodes: []config.Node{{Image: "mkube/node:v1.37.2"}, {Role: config.Worker, Image: "mkube/node:v1.37.2"}}}.Default()
	}
	for name, test := range map[string]struct {
		change func(e *checked, m *machine, cfg *config.Cluster)
		want   string
	}{
		"nothing is wrong": {func(*checked, *machine, *config.Cluster) {}, ""},
		"another system": {func(e *checked, _ *machine, _ *config.Cluster) { e.info.(object)["OSType"] = "windows" },
			"Provider: the Docker daemon runs windows containers, but nodes need Linux containers: switch the daemon to Linux containers"},
		"no image": {func(e *checked, _ *machine, _ *config.Cluster) { e.image = nil },
			"Image: node image mkube/node:v1.37.2 is not on the Docker daemon: mkube build node-image --kubernetes-version v1.37.2 builds it"},
		"another image": {func(e *checked, _ *machine, _ *config.Cluster) { e.image = object{"Config": object{}} },
			"Image: image mkube/node:v1.37.2 is not a node image of mkube: mkube build node-image builds one"},
		"an addon that the image lacks": {func(e *checked, _ *machine, cfg *config.Cluster) {
			cfg.Addons = []string{"metrics-server"}
			e.image = object{"Config": object{"Labels": object{names.LabelKubernetes: "v1.35.8"}}}
		}, "Image: addon metrics-server is not in node image mkube/node:v1.37.2: it requires Kubernetes v1.36 or newer"},
		"an addon that the image has": {func(_ *checked, _ *machine, cfg *config.Cluster) { cfg.Addons = []string{"metrics-server"} }, ""},
		"an address": {func(_ *checked, _ *machine, cfg *config.Cluster) { cfg.Nodes[1].Address = "192.168.1.9" },
			"Config: nodes[1].address: the address of a container cannot be chosen: remove this field, or use virtual machines (--provider vagrant)"},

		"pods where a Docker network is": {func(e *checked, _ *machine, _ *config.Cluster) { e.networks = networks("10.244.7.0/24") },
			"Subnet warning: networking.podSubnet 10.244.0.0/16 overlaps 10.244.7.0/24 of Docker network n0" + hides},
		"services where an address is": {func(_ *checked, m *machine, _ *config.Cluster) { m.networks.Addresses = uses("10.96.3.0/24") },
			"Subnet warning: networking.serviceSubnet 10.96.0.0/16 overlaps 10.96.3.0/24 of this host's eth0" + hides},
		"pods where a route leads": {func(_ *checked, m *machine, _ *config.Cluster) { m.networks.Routes = uses("10.244.0.0/14") },
			"Subnet warning: networking.podSubnet 10.244.0.0/16 overlaps 10.244.0.0/14 of this host's eth0" + hides},
		"a route through the pool":    {func(_ *checked, m *machine, _ *config.Cluster) { m.networks.Routes = uses("10.89.0.0/18") }, ""},
		"a route over the first pool": {func(_ *checked, m *machine, _ *config.Cluster) { m.networks.Routes = uses("10.89.0.0/16") }, ""},
		"Docker networks in both pools": {func(e *checked, _ *machine, _ *config.Cluster) {
			e.networks = networks("10.88.0.0/13", "198.18.0.0/15")
		}, "Subnet: " + errNoSubnet.Error()},
		"routes to both pools": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.networks.Routes = uses("10.88.0.0/13", "198.16.0.0/12")
		},
			"Subnet warning: this host has routes to all subnets that a cluster's network can have: the network gets 10.89.0.0/24 (10.88.0.0/13 of this host's eth0), where this host can reach nothing else while the cluster exists; delete the routes if you do not need them"},
		"no place, and none is needed": {func(e *checked, _ *machine, _ *config.Cluster) {
			e.networks = append(networks("10.88.0.0/13", "198.18.0.0/15"), object{"Name": "mkube-mkube"})
		}, ""},

		"little memory": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.memory = func() (uint64, bool) { return 1299 << 20, true }
		},
			"Memory warning: 1299 MiB of memory are free, and the cluster needs about 1300 MiB, or its pods are killed: stop other programs, or give the Docker daemon more memory"},
		"just enough memory": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.memory = func() (uint64, bool) { return 1300 << 20, true }
		}, ""},
		"little memory in a virtual machine": {func(e *checked, m *machine, _ *config.Cluster) {
			e.info = object{"OSType": "linux", "KernelVersion": "5.15.0-vm", "MemTotal": 1 << 30}
		}, "Memory warning: 1024 MiB of memory are free, and the cluster needs about 1300 MiB, or its pods are killed: stop other programs, or give the Docker daemon more memory"},
		"little disk": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.free = func(string) (uint64, bool) { return 2<<30 - 1, true }
		},
			"Disk warning: 2047 MiB are free in /var/lib/docker, and the cluster needs about 2048 MiB, or its pods are evicted: docker system prune frees space"},
		"just enough disk": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.free = func(string) (uint64, bool) { return 2 << 30, true }
		}, ""},
		"a disk that is not known": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.free = func(string) (uint64, bool) { return 0, false }
		}, ""},
		"few inotify instances": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.inotify = func() (int, int, bool) { return 128, 65, true }
		},
			"Inotify warning: 63 of the 128 inotify instances that root may have are free, and the cluster needs about 64, or its pods fail with \"too many open files\": sudo sysctl fs.inotify.max_user_instances=1024"},
		"just enough inotify instances": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.inotify = func() (int, int, bool) { return 128, 64, true }
		}, ""},
		"no limit of them": {func(_ *checked, m *machine, _ *config.Cluster) {
			m.inotify = func() (int, int, bool) { return 0, 0, false }
		}, ""},
		"root's, and a rootless daemon": {func(e *checked, m *machine, _ *config.Cluster) {
			e.info.(object)["SecurityOptions"] = []string{"name=seccomp,profile=default", "name=rootless"}
			m.inotify = func() (int, int, bool) { return 128, 127, true }
		}, ""},
		"a low limit of a rootless daemon": {func(e *checked, m *machine, _ *config.Cluster) {
			e.info.(object)["SecurityOptions"] = []string{"name=rootless"}
			m.inotify = func() (int, int, bool) { return 63, 9, true }
		}, "Inotify warning: 63 of the 63 inotify instances that the Docker daemon's user may have are free, and the cluster needs about 64, or its pods fail with \"too many open files\": sudo sysctl fs.inotify.max_user_instances=1024"},

		"a path that is not there": {func(_ *checked, _ *machine, cfg *config.Cluster) { mountAt(cfg, "/no/such/path") },
			"Mount: nodes[1].extraMounts[0].hostPath: /no/such/path does not exist: create it, or choose another path"},
		"a path below a file": {func(_ *checked, _ *machine, cfg *config.Cluster) { mountAt(cfg, "/dev/null/x") },
			"Mount: nodes[1].extraMounts[0].hostPath: /dev/null/x does not exist: create it, or choose another path"},
		"a path that is there": {func(_ *checked, _ *machine, cfg *config.Cluster) { mountAt(cfg, ".") }, ""},
		"the limits and paths of a virtual machine's host": {func(_ *checked, m *machine, cfg *config.Cluster) {
			mountAt(cfg, "/no/such/path")
			m.kernel = func() string { return "another" }
			m.inotify = func() (int, int, bool) { return 1, 1, true }
			m.free = func(string) (uint64, bool) { return 1, true }
		}, ""},
		"a port that is no host's, beside the daemon": {func(_ *checked, m *machine, cfg *config.Cluster) {
			m.beside = func(string) bool { return true }
			cfg.Networking.APIServerAddress = "192.0.2.1"
			mountAt(cfg, "/no/such/path")
		}, ""},
		"an address that is no host's": {func(_ *checked, _ *machine, cfg *config.Cluster) { cfg.Networking.APIServerAddress = "192.0.2.1" },
			"Port: networking.apiServerPort: 192.0.2.1 is not an address of this host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, m := healthy()
			cfg := plain()
			test.change(&e, &m, &cfg)
			if got := problemsOf(t, e, m, cfg); got != test.want {
				t.Errorf("Check found\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

const hides = ": pods cannot reach the addresses there; if they must, choose another subnet in the configuration file"

func mountAt(cfg *config.Cluster, path string) {
	cfg.Nodes[1].ExtraMounts = []config.Mount{{HostPath: path, ContainerPath: "/data"}}
}

func TestCheckUnreachable(t *testing.T) {
	t.Parallel()
	p := New(clientOf(t, filepath.Join(t.TempDir(), "none")))
	found := p.Check(t.Context(), config.Cluster{}.Default())
	if len(found) != 1 || found[0].Name != "Provider" || found[0].Warning || !strings.Contains(found[0].Err.Error(), "does not answer") {
		t.Errorf("Check found %v", found)
	}
}

// TestCheckPorts listens on real ports, on each address and with each protocol.
func TestCheckPorts(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcpPort := int32(tcp.Addr().(*net.TCPAddr).Port)
	udpPort := int32(udp.LocalAddr().(*net.UDPAddr).Port)
	for name, test := range map[string]struct {
		protocol, address string
		port              int32
		want              string
	}{
		"TCP":                {"TCP", "127.0.0.1", tcpPort, "is taken"},
		"no protocol":        {"", "127.0.0.1", tcpPort, "is taken"},
		"all addresses":      {"TCP", "0.0.0.0", tcpPort, "is taken"},
		"another address":    {"TCP", "127.0.0.2", tcpPort, ""},
		"the other family":   {"TCP", "::", tcpPort, ""},
		"UDP":                {"UDP", "127.0.0.1", udpPort, "is taken"},
		"UDP of a TCP port":  {"UDP", "127.0.0.2", tcpPort, ""},
		"SCTP":               {"SCTP", "127.0.0.1", tcpPort, ""},
		"no host's":          {"TCP", "192.0.2.1", tcpPort, "is not an address of this host"},
		"no host's, no port": {"UDP", "192.0.2.1", 0, "is not an address of this host"},
		"any port":           {"TCP", "127.0.0.1", 0, ""},
		"no address":         {"TCP", "localhost", tcpPort, ""},
	} {
		err := tryPort("x", test.protocol, test.address, test.port)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
	cfg := config.Cluster{}.Default()
	cfg.Networking.APIServerAddress, cfg.Networking.APIServerPort = "127.0.0.1", tcpPort
	cfg.Nodes[0].ExtraPortMappings = []config.PortMapping{{ContainerPort: 1, HostPort: udpPort, Protocol: "UDP", ListenAddress: "127.0.0.1"}}
	got := strings.Split(checkPorts(cfg).Error(), "\n")
	if len(got) != 2 || !strings.HasPrefix(got[0], "networking.apiServerPort: ") || !strings.HasPrefix(got[1], "nodes[0].extraPortMappings[0]: ") {
		t.Errorf("checkPorts = %q", got)
	}
}
