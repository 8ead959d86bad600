package docker

import (
	"encoding/csv"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"

	"github.com/mkube/mkube/pkg/config"
)

// TestCreateCommand checks that the docker command contains everything in the request to the
// engine.
func TestCreateCommand(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{
		Networking: config.Networking{APIServerPort: 6443, IPFamily: config.DualStack},
		Nodes:      []config.Node{{Image: "node:1", Resources: config.Resources{CPUs: "1500m", Memory: "1Gi"}, ExtraMounts: []config.Mount{{HostPath: "/data", ContainerPath: "/d", ReadOnly: true}}}},
	}.Default()
	subnets := []netip.Prefix{netip.MustParsePrefix("10.89.3.0/24"), netip.MustParsePrefix("fd00::/64")}
	n := &node{name: "mkube-control-plane", role: config.ControlPlane, ips: nodeAddrs(cfg, 0, subnets), attached: attachment(0, subnets), parts: "/parts", free: noPorts(false)}
	spec, host, err := nodeSpec(cfg, 0, n, privileges{missing: []string{"SYS_RESOURCE"}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(createCommand(cfg.Name, n, spec, host), " ")
	want := "docker create --name mkube-control-plane --hostname mkube-control-plane --tty --cgroupns private --restart on-failure:1 --network mkube-mkube" +
		" --ip 10.89.3.2 --ip6 fd00::2 --label dev.mkube.cluster=mkube --label dev.mkube.index=0 --label dev.mkube.ip=10.89.3.2,fd00::2 --label dev.mkube.role=control-plane" +
		" --tmpfs /run:exec --tmpfs /tmp:exec --sysctl net.ipv6.conf.all.disable_ipv6=0 --sysctl net.ipv6.conf.all.forwarding=1 --publish 127.0.0.1:6443:6443/tcp" +
		" --volume /lib/modules:/lib/modules:ro --mount type=bind,source=/data,target=/d,readonly,bind-propagation=rprivate" +
		" --mount type=volume,target=/var,volume-nocopy,volume-label=dev.mkube.cluster=mkube --mount type=bind,source=/parts,target=/usr/share/mkube,readonly" +
		" --cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt label=disable --security-opt systempaths=unconfined" +
		" --device-cgroup-rule a *:* rwm --device /dev/kmsg:/dev/kmsg:rwm --cpus 1.500 --memory 1073741824 --memory-swap 1073741824 node:1"
	if got != want {
		t.Errorf("createCommand =\n%s; want\n%s", got, want)
	}
	host.Privileged = true
	if got := strings.Join(privilegeFlags(host), " "); got != "--privileged" {
		t.Errorf("privilegeFlags = %s", got)
	}
	if got, want := networkCommand(cfg, subnets, map[string]string{optionMTU: "1400"}), "docker network create --driver bridge --label dev.mkube.cluster=mkube --subnet 10.89.3.0/24 --gateway 10.89.3.1"+
		" --subnet fd00::/64 --gateway fd00::1 --ipv6 --opt com.docker.network.driver.mtu=1400 mkube-mkube"; got != want {
		t.Errorf("networkCommand =\n%s; want\n%s", got, want)
	}
}

// TestCreateCommandHasEveryField checks that createCommand knows every field of the request that
// nodeSpec can set. Otherwise, the script of --dry-run creates another node than create.
func TestCreateCommandHasEveryField(t *testing.T) {
	t.Parallel()
	known := []string{
		"Hostname", "ExposedPorts", "Tty", "Image", "Labels", // ExposedPorts are those of PortBindings
		"Binds", "PortBindings", "RestartPolicy", "CapAdd", "CapDrop", "CgroupnsMode", "Privileged", "SecurityOpt", "Tmpfs", "Sysctls", "Mounts",
		"MaskedPaths", "ReadonlyPaths", "NanoCPUs", "Memory", "MemorySwap", "DeviceCgroupRules", "Devices",
		"NetworkMode", // --network
	}
	cfg := config.Cluster{
		Networking: config.Networking{APIServerPort: 6443, IPFamily: config.DualStack},
		Nodes: []config.Node{{
			Image: "node:1", Resources: config.Resources{CPUs: "1500m", Memory: "1Gi"}, ExtraMounts: []config.Mount{{HostPath: "/data", ContainerPath: "/d"}},
			ExtraPortMappings: []config.PortMapping{{ContainerPort: 80, HostPort: 8080}}, Labels: map[string]string{"a": "b"},
		}},
	}.Default()
	subnets := []netip.Prefix{netip.MustParsePrefix("10.89.3.0/24"), netip.MustParsePrefix("fd00::/64")}
	n := &node{name: "n", ips: nodeAddrs(cfg, 0, subnets), attached: attachment(0, subnets), parts: "/parts", creation: "c", free: noPorts(false)}
	for _, granted := range []privileges{{}, {missing: []string{"SYS_RESOURCE"}}} {
		spec, host, err := nodeSpec(cfg, 0, n, granted)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []reflect.Value{reflect.ValueOf(*spec), reflect.ValueOf(*host), reflect.ValueOf(host.Resources)} {
			for i := range v.NumField() {
				if f := v.Type().Field(i); !f.Anonymous && !v.Field(i).IsZero() && !slices.Contains(known, f.Name) {
					t.Errorf("nodeSpec sets %s of %s, which createCommand does not know", f.Name, v.Type())
				}
			}
		}
	}
}

// TestCreateCommandIsTheSame checks that the flags for ports have the same order each time.
func TestCreateCommandIsTheSame(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{
		Networking: config.Networking{APIServerAddress: "::", APIServerPort: 6443},
		Nodes: []config.Node{{ExtraPortMappings: []config.PortMapping{
			{ContainerPort: 80, HostPort: 8080, ListenAddress: "::1"}, {ContainerPort: 80, HostPort: 8080, ListenAddress: "127.0.0.1"},
			{ContainerPort: 53, HostPort: 5353, Protocol: "UDP"}, {ContainerPort: 443, HostPort: 8443}, {ContainerPort: 99, HostPort: 9999, Protocol: "SCTP"},
		}}},
	}.Default()
	subnets := []netip.Prefix{netip.MustParsePrefix("10.89.3.0/24")}
	n := &node{name: "n", attached: attachment(0, subnets), free: noPorts(false)}
	const want = "--publish 127.0.0.1:8443:443/tcp --publish 127.0.0.1:5353:53/udp --publish [::]:6443:6443/tcp" +
		" --publish [::1]:8080:80/tcp --publish 127.0.0.1:8080:80/tcp --publish 127.0.0.1:9999:99/sctp"
	for range 20 {
		spec, host, err := nodeSpec(cfg, 0, n, privileges{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(createCommand(cfg.Name, n, spec, host), " "); !strings.Contains(got, want) {
			t.Fatalf("createCommand =\n%s; want in it\n%s", got, want)
		}
	}
}

// TestMountFlag parses the value as the docker command does.
func TestMountFlag(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"/data":       `type=bind,source=/data,target=/d`,
		"/a,b":        `type=bind,"source=/a,b",target=/d`,
		`/say "hi"`:   `type=bind,"source=/say ""hi""",target=/d`,
		"/with a gap": `type=bind,source=/with a gap,target=/d`,
	} {
		got := mountFlag(mount.Mount{Type: mount.TypeBind, Source: source, Target: "/d"})
		if got != want {
			t.Errorf("mountFlag = %s; want %s", got, want)
		}
		fields, err := csv.NewReader(strings.NewReader(got)).Read()
		if err != nil || len(fields) != 3 || fields[1] != "source="+source {
			t.Errorf("docker reads %q, %v", fields, err)
		}
	}
}
