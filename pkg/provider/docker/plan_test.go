package docker

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
)

// TestCreateCommand: the docker command has all that the request to the engine has.
func TestCreateCommand(t *testing.T) {
	t.Parallel()
	cfg := config.Cluster{
		Networking: config.Networking{APIServerPort: 6443, IPFamily: config.DualStack},
		Nodes:      []config.Node{{Image: "node:1", Resources: config.Resources{CPUs: "1500m", Memory: "1Gi"}, ExtraMounts: []config.Mount{{HostPath: "/data", ContainerPath: "/d", ReadOnly: true}}}},
	}.Default()
	subnets := []netip.Prefix{netip.MustParsePrefix("10.89.3.0/24"), netip.MustParsePrefix("fd00::/64")}
	n := &node{name: "mkube-control-plane", role: config.ControlPlane, ips: nodeAddrs(cfg, 0, subnets), attached: attachment(0, subnets), parts: "/parts"}
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
