package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{
		Networking: config.Networking{APIServerPort: 7443},
		Nodes: []config.Node{
			{Role: config.Worker, ExtraPortMappings: []config.PortMapping{
				{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 80, HostPort: 8081, ListenAddress: "0.0.0.0"},
				{ContainerPort: 53, HostPort: 5353, Protocol: "UDP"},
				{ContainerPort: 54, HostPort: 5454, ListenAddress: "127.0.0.1"}, {ContainerPort: 54, HostPort: 5454, ListenAddress: "::1"},
				{ContainerPort: 55, HostPort: 5555, ListenAddress: "::ffff:192.0.2.1", Protocol: "SCTP"},
			}},
			{},
			{ExtraPortMappings: []config.PortMapping{{ContainerPort: 6443, HostPort: 9443}}},
		},
	}.Default()
	for i, want := range []nat.PortMap{
		{
			"80/tcp":  {{HostIP: "127.0.0.1", HostPort: "8080"}, {HostIP: "0.0.0.0", HostPort: "8081"}},
			"53/udp":  {{HostIP: "127.0.0.1", HostPort: "5353"}},
			"54/tcp":  {{HostIP: "127.0.0.1", HostPort: "5454"}, {HostIP: "::1", HostPort: "5454"}},
			"55/sctp": {{HostIP: "192.0.2.1", HostPort: "5555"}},
		},
		{},
		{"6443/tcp": {{HostIP: "127.0.0.1", HostPort: "9443"}}},
		{"6443/tcp": {{HostIP: "127.0.0.1", HostPort: "7443"}}},
	} {
		exposed, bindings, err := ports(cfg, i, &freePorts{listen: config.Loopback})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(bindings, want) {
			t.Errorf("node %d is published as %v; want %v", i, bindings, want)
		}
		for port := range want {
			if _, ok := exposed[port]; !ok || len(exposed) != len(want) {
				t.Errorf("node %d exposes %v; want the keys of %v", i, exposed, want)
			}
		}
	}
}

func TestEntrance(t *testing.T) {
	t.Parallel()
	worker, plane := config.Node{Role: config.Worker}, config.Node{Role: config.ControlPlane}
	for want, nodes := range map[int][]config.Node{
		0: {plane, plane}, 1: {worker, plane, plane}, -1: {worker}, 2: {plane, plane, {Role: config.LoadBalancer}},
	} {
		if got := entrance(config.Cluster{Nodes: nodes}); got != want {
			t.Errorf("entrance of %v = %d; want %d", nodes, got, want)
		}
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got, err := mounts([]config.Mount{
		{HostPath: "/data", ContainerPath: "/mnt"},
		{HostPath: "testdata", ContainerPath: "/rel", ReadOnly: true, Propagation: "HostToContainer"},
		{HostPath: "/a/../b", ContainerPath: "/both", Propagation: "Bidirectional"},
		{HostPath: "/n", ContainerPath: "/n", Propagation: "None"},
	})
	if err != nil {
		t.Fatal(err)
	}
	bind := func(source, target string, readOnly bool, p mount.Propagation) mount.Mount {
		return mount.Mount{Type: mount.TypeBind, Source: source, Target: target, ReadOnly: readOnly, BindOptions: &mount.BindOptions{Propagation: p}}
	}
	want := []mount.Mount{
		bind("/data", "/mnt", false, mount.PropagationRPrivate),
		bind(filepath.Join(here, "testdata"), "/rel", true, mount.PropagationRSlave),
		bind("/b", "/both", false, mount.PropagationRShared),
		bind("/n", "/n", false, mount.PropagationRPrivate),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mounts = %+v; want %+v", got, want)
	}
	if _, err := mounts([]config.Mount{{Propagation: "shared"}}); fmt.Sprint(err) != "mount propagation shared is not None, HostToContainer or Bidirectional" {
		t.Errorf("mounts = %v", err)
	}
}

func TestNodeSpec(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{Name: "c", Nodes: []config.Node{{}, {Role: config.Worker, Image: "mkube/node:v1"}}}.Default()
	n := &node{name: "c-worker", role: config.Worker, ips: []netip.Addr{netip.MustParseAddr("10.89.3.3")}}
	spec, host, err := nodeSpec(cfg, 1, n, privileges{})
	if err != nil {
		t.Fatal(err)
	}
	if spec.Hostname != "c-worker" || spec.Image != "mkube/node:v1" {
		t.Errorf("the container is %s of %s", spec.Hostname, spec.Image)
	}
	want := map[string]string{labelCluster: "c", labelRole: "worker", labelIP: "10.89.3.3", labelIndex: "1"}
	if !reflect.DeepEqual(spec.Labels, want) {
		t.Errorf("its labels are %v; want %v", spec.Labels, want)
	}
	if !host.Privileged || host.CgroupnsMode != container.CgroupnsModePrivate {
		t.Errorf("it is privileged %t, with a cgroup namespace %q", host.Privileged, host.CgroupnsMode)
	}
	cfg.Nodes[1].ExtraMounts = []config.Mount{{Propagation: "odd"}}
	if _, _, err := nodeSpec(cfg, 1, n, privileges{}); err == nil {
		t.Error("an odd mount is no error")
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	var all, some container.HostConfig
	privileges{}.apply(&all)
	if !all.Privileged || all.CapAdd != nil || all.SecurityOpt != nil {
		t.Errorf("with all capabilities the node is %+v; want it privileged and no more", all)
	}
	withoutSysResource().apply(&some)
	want := container.HostConfig{
		CapAdd: []string{"ALL"}, CapDrop: []string{"SYS_RESOURCE"},
		SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined", "label=disable"},
		MaskedPaths: []string{}, ReadonlyPaths: []string{},
	}
	want.DeviceCgroupRules = []string{"a *:* rwm"}
	want.Devices = []container.DeviceMapping{{PathOnHost: "/dev/kmsg", PathInContainer: "/dev/kmsg", CgroupPermissions: "rwm"}}
	if !reflect.DeepEqual(some, want) {
		t.Errorf("without SYS_RESOURCE the node is %+v; want %+v", some, want)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	// Some numbers from capabilities(7): the first, some in the middle, and the last.
	for name, number := range map[string]int{"CHOWN": 0, "NET_ADMIN": 12, "SYS_ADMIN": 21, "SYS_RESOURCE": 24, "CHECKPOINT_RESTORE": 40} {
		if number >= len(capabilities) || capabilities[number] != name {
			t.Errorf("capability %d is not %s", number, name)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	conflict := fmt.Errorf(`the container name "/x" is already in use: %w`, errdefs.ErrConflict)
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("bind: port is already allocated"), "bind: port is already allocated: choose another host port, or stop the program that listens there"},
		{errors.New("listen tcp4 127.0.0.1:80: bind: address already in use"), "listen tcp4 127.0.0.1:80: bind: address already in use: choose another host port, or stop the program that listens there"},
		{errors.New("listen tcp4 192.0.2.9:80: bind: cannot assign requested address"), "listen tcp4 192.0.2.9:80: bind: cannot assign requested address: the Docker daemon's host does not have this address, choose another"},
		{errors.New("Error starting userland proxy: protocol not supported"), "Error starting userland proxy: protocol not supported: load the kernel module for SCTP on the Docker daemon's host (sudo modprobe sctp), or remove the SCTP port"},
		{conflict, conflict.Error() + ": remove that container, or choose another cluster name with --name"},
		{fmt.Errorf("something else: %w", errdefs.ErrConflict), "something else: conflict"},
		{errors.New("no space left on device"), "no space left on device"},
	} {
		got := explain(test.err)
		if got.Error() != test.want {
			t.Errorf("explain = %s; want %s", got, test.want)
		}
		if !errors.Is(got, test.err) {
			t.Errorf("explain of %v loses it", test.err)
		}
	}
}

func TestVersionsFrom(t *testing.T) {
	t.Parallel()
	got := versionsFrom(map[string]string{
		"dev.mkube.kubernetes": "v1", "dev.mkube.etcd": "2", "dev.mkube.coredns": "v3", "dev.mkube.pause": "4",
		"dev.mkube.local-path-provisioner": "v5", "dev.mkube.metrics-server": "v6", "else": "7",
	})
	want := provider.Versions{Kubernetes: "v1", Etcd: "2", CoreDNS: "v3", Pause: "4", LocalPath: "v5", MetricsServer: "v6"}
	if got != want {
		t.Errorf("versionsFrom = %+v; want %+v", got, want)
	}
}

func TestNodeFrom(t *testing.T) {
	t.Parallel()
	n := nodeFrom(nil, container.Summary{ID: "id", Names: []string{"/c-worker"}, Labels: map[string]string{
		labelRole: "worker", labelIP: "10.89.0.3", names.LabelKubernetes: "v1",
	}})
	if n.Name() != "c-worker" || n.Role() != config.Worker || n.IP().String() != "10.89.0.3" || n.Versions().Kubernetes != "v1" || n.id != "id" {
		t.Errorf("nodeFrom = %+v", n)
	}
	if n := nodeFrom(nil, container.Summary{}); n.Name() != "" || n.IP().IsValid() {
		t.Errorf("nodeFrom of nothing = %+v", n)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	last := &tail{limit: 5}
	for _, s := range []string{"abc", "def", "", strings.Repeat("x", 100) + "12345"} {
		if n, err := last.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write(%q) = %d, %v", s, n, err)
		}
	}
	if got := last.String(); got != "12345" {
		t.Errorf("the tail is %q; want 12345", got)
	}
}
