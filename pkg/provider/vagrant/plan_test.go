package vagrant

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

var update = flag.Bool("update", false, "write the golden files again")

// story returns the cluster of one machine that docs/vagrant.md creates.
func story() config.Cluster {
	return config.Cluster{Name: "story", Nodes: []config.Node{{Name: "k8s-master", Address: "192.168.50.4", Image: testImage}}}.Default()
}

func TestVagrantfile(t *testing.T) {
	t.Parallel()
	limited := blue(1)
	limited.Nodes[1].Resources = config.Resources{CPUs: "1500m", Memory: "1Gi"}
	for _, tt := range []struct {
		name, hypervisor, box string
		cfg                   config.Cluster
	}{
		{"libvirt", libvirt, "", limited},
		{"virtualbox", virtualbox, `it's a \ box`, story()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, _ := newProvider(t, tt.hypervisor)
			p.o.Box = tt.box
			var text strings.Builder
			if err := p.Preview(t.Context(), tt.cfg, &text); err != nil {
				t.Fatal(err)
			}
			got := []byte(text.String())
			want(t, "what there is", clusters(t, p), nil)
			golden := filepath.Join("testdata", tt.name, vagrantfile)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(golden)
			if string(got) != string(file) || err != nil {
				t.Errorf("the Vagrantfile is\n%s\nwant %v\n%s", got, err, file)
			}
		})
	}
}

// TestPreviewNeedsOnlyTheConfiguration checks that no bundle, no vagrant and no hypervisor is needed
// for a preview.
func TestPreviewNeedsOnlyTheConfiguration(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, "")
	p.lookPath = func(string) (string, error) { return "", errors.New("not found") }
	cfg := blue(0)
	cfg.Nodes[0].Image = "/nowhere/node.tar"
	var text strings.Builder
	if err := p.Preview(t.Context(), cfg, &text); err != nil || !strings.Contains(text.String(), "node.vm.provider 'virtualbox' do |v|") {
		t.Errorf("Preview writes\n%s\n%v", text.String(), err)
	}
	var got []string
	for _, problem := range p.Check(t.Context(), cfg) {
		got = append(got, problem.Name)
	}
	want(t, "the problems", got, []string{provider.CheckProvider, provider.CheckProvider, provider.CheckImage})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	subnet := netip.MustParsePrefix("192.168.56.0/24")
	cfg := blue(3)
	cfg.Nodes[2].Address = "192.168.56.11"
	var got []string
	for i := range cfg.Nodes {
		got = append(got, address(cfg, i, subnet).String())
	}
	want(t, "the addresses", got, []string{"192.168.56.10", "192.168.56.12", "192.168.56.11", "192.168.56.14"})
}

func TestSubnets(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, libvirt)
	subnet := func(cfg config.Cluster) string {
		t.Helper()
		r, err := p.reserve(t.Context(), cfg, "")
		if err != nil {
			return err.Error()
		}
		return r.Subnet.String()
	}
	named := func(name string) config.Cluster {
		cfg := blue(0)
		cfg.Name = name
		return cfg
	}
	if got := subnet(story()); got != "192.168.50.0/24" {
		t.Errorf("the subnet of nodes with addresses is %s", got)
	}
	seen := map[string]bool{}
	for i := range 8 {
		got := subnet(named(fmt.Sprintf("c%d", i)))
		if seen[got] {
			t.Errorf("%s is of two clusters", got)
		}
		seen[got] = true
	}
	if got := subnet(named("last")); !strings.Contains(got, "no free subnet in 192.168.56.0/21: delete clusters") {
		t.Errorf("the pool has no end: %s", got)
	}
	busy, err := p.taken(t.Context(), config.Cluster{Networking: config.Networking{PodSubnet: "10.1.0.0/16,fd00::/56", ServiceSubnet: "10.2.0.0/16"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.99.0.0/16", "192.168.50.0/24"} {
		if !hostnet.Overlaps(netip.MustParsePrefix(s), append(busy.others, hostnet.Subnets(busy.links)...)) {
			t.Errorf("%s is not taken", s)
		}
	}
}

// TestBundleIsNodeimages checks that this package reads what package nodeimage writes, though
// neither imports the other.
func TestBundleIsNodeimages(t *testing.T) {
	t.Parallel()
	if infoPath != nodeimage.BundleInfoPath {
		t.Errorf("a bundle says what it is in %s, and is asked in %s", nodeimage.BundleInfoPath, infoPath)
	}
	v := testVersions
	data, err := json.Marshal(nodeimage.BundleInfo{Inputs: "abc", Versions: nodeimage.Versions(v)})
	if err != nil {
		t.Fatal(err)
	}
	var got bundleInfo
	if err := json.Unmarshal(data, &got); err != nil || got != (bundleInfo{"abc", v}) {
		t.Errorf("read %+v, %v of %s", got, err, data)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	containers := blue(1)
	containers.Networking.IPFamily = config.DualStack
	containers.Networking.APIServerPort = 6443
	containers.Nodes[1].ExtraMounts = []config.Mount{{HostPath: ".", ContainerPath: "/x"}}
	containers.Nodes[1].ExtraPortMappings = []config.PortMapping{{ContainerPort: 80}}
	apart := blue(1)
	apart.Nodes[0].Address, apart.Nodes[1].Address = "192.168.56.10", "192.168.57.10"
	host := blue(0)
	host.Nodes[0].Address = "192.168.56.1"
	version := blue(0)
	version.Nodes[0].Image = "mkube/node:v1.36.4"
	path := blue(0)
	path.Nodes[0].Image = "/nowhere/node.tar"
	for name, tt := range map[string]struct {
		cfg        config.Cluster
		hypervisor string
		missing    []string // programs
		want       string
	}{
		"a plain cluster": {blue(2), "", nil, "<nil>"},
		"what only containers have": {containers, "", nil, "networking.ipFamily: virtual machines have only IPv4 addresses: remove this field, or use containers (--provider docker)\n" +
			"networking.apiServerPort: the API server of a virtual machine is reachable at its own address, port 6443: remove this field\n" +
			"nodes[1].extraMounts: a virtual machine cannot mount folders of the host: remove this field, or use containers (--provider docker)\n" +
			"nodes[1].extraPortMappings: the ports of a virtual machine are reachable at its own address: remove this field"},
		"nodes on two networks":  {apart, "", nil, "nodes[1].address: 192.168.57.10 is not in 192.168.56.0/24, the subnet of the other nodes: the nodes of a cluster share one network"},
		"the host's address":     {host, "", nil, "nodes[0].address: 192.168.56.1 belongs to the network or the host: choose an address from 192.168.56.2 on"},
		"no vagrant":             {blue(0), "", []string{"vagrant"}, "vagrant is not installed: see https://developer.hashicorp.com/vagrant/install; on Debian, sudo apt-get install vagrant vagrant-libvirt"},
		"no hypervisor":          {blue(0), "", []string{"VBoxManage", "VBoxManage.exe", "virsh", "libvirtd"}, "neither VirtualBox nor libvirt is installed: install one of them, or choose another Vagrant provider with --vagrant-provider"},
		"a hypervisor by name":   {blue(0), "vmware_desktop", []string{"VBoxManage"}, "<nil>"},
		"no bundle of a version": {version, "", nil, "bundle BUNDLES/v1.36.4.tar does not exist: mkube build node-image --bundle BUNDLES/v1.36.4.tar --kubernetes-version v1.36.4 creates it"},
		"no bundle of a path":    {path, "", nil, "bundle /nowhere/node.tar does not exist: mkube build node-image --bundle /nowhere/node.tar creates it"},
		"the story's address with VirtualBox": {story(), virtualbox, nil, "nodes[].address: VirtualBox does not create network 192.168.50.0/24: " +
			"echo '* 192.168.50.0/24' | sudo tee /etc/vbox/networks.conf allows it, or choose addresses in 192.168.56.0/21"},
		"the story's address with libvirt": {story(), libvirt, nil, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := newProvider(t, tt.hypervisor)
			p.lookPath = without(tt.missing)
			var errs []error
			for _, problem := range p.Check(t.Context(), tt.cfg) {
				if problem.Warning {
					t.Errorf("a warning: %v", problem.Err)
				}
				errs = append(errs, problem.Err)
			}
			got := strings.ReplaceAll(fmt.Sprint(errors.Join(errs...)), p.o.Bundles, "BUNDLES")
			if got != tt.want {
				t.Errorf("Check says\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestCheckSubnets checks that subnets in routes are avoided if possible, and reported if not.
func TestCheckSubnets(t *testing.T) {
	t.Parallel()
	pods := blue(0)
	pods.Networking.PodSubnet = "10.99.0.0/16"
	for name, tt := range map[string]struct {
		cfg           config.Cluster
		links, routes []string
		subnet, want  string
	}{
		"nothing":              {blue(0), nil, nil, "192.168.56.0/24", ""},
		"a link":               {blue(0), []string{"192.168.56.0/24"}, nil, "192.168.57.0/24", ""},
		"a route":              {blue(0), nil, []string{"192.168.56.0/22"}, "192.168.60.0/24", ""},
		"a route to all":       {blue(0), []string{"192.168.56.0/24"}, []string{"192.168.0.0/16"}, "192.168.57.0/24", "Subnet warning: this host has routes to all free subnets of 192.168.56.0/21: the cluster's network is 192.168.57.0/24, where this host cannot reach other addresses of 192.168.0.0/16 of this host's eth0 while the cluster exists; delete that route, or give the nodes addresses of another subnet"},
		"links in all":         {blue(0), []string{"192.168.0.0/16"}, nil, "invalid Prefix", "Subnet: no free subnet in 192.168.56.0/21: delete clusters (mkube get clusters), or give the nodes addresses of another subnet"},
		"pods where a link is": {pods, []string{"10.99.0.0/16"}, nil, "192.168.56.0/24", "Subnet warning: networking.podSubnet 10.99.0.0/16 overlaps 10.99.0.0/16 of this host's eth0: pods cannot reach the addresses there; if they must, choose another subnet in the configuration file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := newProvider(t, libvirt)
			p.networks = hostnet.Networks{Addresses: uses(tt.links...), Routes: uses(tt.routes...)}
			var got []string
			for _, problem := range p.Check(t.Context(), tt.cfg) {
				name := problem.Name
				if problem.Warning {
					name += " warning"
				}
				got = append(got, name+": "+problem.Err.Error())
			}
			if text := strings.Join(got, "\n"); text != tt.want {
				t.Errorf("Check says\n%s\nwant\n%s", text, tt.want)
			}
			if subnet, _ := p.subnet(t.Context(), tt.cfg); subnet.String() != tt.subnet {
				t.Errorf("the network is %s; want %s", subnet, tt.subnet)
			}
		})
	}
}

// without returns a function that finds all programs except some.
func without(missing []string) func(string) (string, error) {
	return func(name string) (string, error) {
		for _, m := range missing {
			if m == name {
				return "", errors.New("not found")
			}
		}
		return "/usr/bin/" + name, nil
	}
}

func TestHypervisor(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, "")
	for missing, want := range map[string]string{"": virtualbox, "VBoxManage": virtualbox, "VBoxManage VBoxManage.exe": libvirt, "VBoxManage VBoxManage.exe virsh": libvirt} {
		p.lookPath = without(strings.Fields(missing))
		if got, err := p.hypervisor(); got != want || err != nil {
			t.Errorf("without %q it is %q, %v; want %q", missing, got, err, want)
		}
	}
}

func TestSSHConfig(t *testing.T) {
	t.Parallel()
	text := "Host cp\n  HostName 127.0.0.1\n  User vagrant\n  Port 2222\n  UserKnownHostsFile /dev/null\n  IdentityFile \"/a b/key\"\n  IdentityFile /c\n\n" +
		"Host w1\n  HostName 192.168.121.78\n  User me\n  Port 22\n  ForwardAgent yes\n"
	want := map[string]target{
		"cp": {"127.0.0.1:2222", "vagrant", []string{"/a b/key", "/c"}},
		"w1": {"192.168.121.78:22", "me", nil},
	}
	for name, target := range want {
		if got, err := readTarget(strings.NewReader(text), name); !reflect.DeepEqual(got, target) || err != nil {
			t.Errorf("%s: readTarget = %+v, %v; want %+v", name, got, err, target)
		}
	}
	if _, err := readTarget(strings.NewReader(text), "w2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a machine that vagrant does not know: %v; want %v", err, fs.ErrNotExist)
	}
}

func TestCommandCanBePasted(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, libvirt)
	n := p.node("blue", machine{Name: "cp"})
	got := n.Command(provider.Cmd{Args: []string{"echo", "it's"}, Env: []string{"A=b c"}, TTY: true})
	want(t, "the command", got, []string{
		"ssh", "-F", filepath.Join(p.o.Dir, "blue", "ssh-config"), "-t", "cp",
		`cd / && exec sudo --non-interactive env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECONFIG=/etc/kubernetes/admin.conf 'A=b c' echo 'it'"'"'s'`,
	})
}
