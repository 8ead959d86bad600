//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// booted runs mkube-node-init in a box. It returns the flags of the kubelet, and the calls of fake
// programs. The folders of the box stay as mkube-node-init left them.
func booted(t *testing.T, b box) (flags, called string) {
	t.Helper()
	if r := b.sh(t, "exec mkube-node-init"); r.code != 0 || !strings.Contains(r.stdout, "systemd is given --system, container=docker") {
		t.Fatalf("mkube-node-init: %s", r)
	}
	return strings.TrimSpace(strings.TrimPrefix(b.must(t, "cat /run/mkube/kubelet.env"), "NODE_FLAGS=")), b.called(t)
}

// initBox returns a box for mkube-node-init with these files as its cgroups.
func initBox(t *testing.T, cgroups map[string]string) box {
	t.Helper()
	b := newBox(t)
	b.write(t, cgroups)
	b.fake(t, map[string]string{
		"mount": "", "/usr/local/bin/mkube-preloaded-images": "",
		"/lib/systemd/systemd": `echo "systemd is given $*, container=$container"`,
	})
	return b
}

// reserved returns the flag of a node that reserves CPU.
func reserved(flags string) string {
	for f := range strings.FieldsSeq(flags) {
		if cpu, ok := strings.CutPrefix(f, "--kube-reserved=cpu="); ok {
			return cpu
		}
	}
	return ""
}

const cgroup = "/sys/fs/cgroup/"

func TestNodeInit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cgroups  map[string]string
		reserved string
		memory   string // memory of the node in kB; "" is that of the host
		cpus     bool   // fewer than the host's
	}{
		"cgroup v2 without limits": {map[string]string{cgroup + "cgroup.controllers": "cpu memory", cgroup + "memory.max": "max", cgroup + "cpu.max": "max 100000"}, "", "", false},
		"cgroup v2 with limits":    {map[string]string{cgroup + "cgroup.controllers": "cpu memory", cgroup + "memory.max": "268435456", cgroup + "cpu.max": "50000 100000"}, "500m", "262144", true},
		"cgroup v2 with one CPU":   {map[string]string{cgroup + "cgroup.controllers": "cpu memory", cgroup + "cpu.max": "100000 100000"}, "", "", true},
		"cgroup v1 without limits": {map[string]string{cgroup + "memory/memory.limit_in_bytes": "9223372036854771712", cgroup + "cpu/cpu.cfs_quota_us": "-1", cgroup + "cpu/cpu.cfs_period_us": "100000"}, "", "", false},
		"cgroup v1 with limits":    {map[string]string{cgroup + "memory/memory.limit_in_bytes": "268435456", cgroup + "cpu/cpu.cfs_quota_us": "75000", cgroup + "cpu/cpu.cfs_period_us": "100000"}, "250m", "262144", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := initBox(t, test.cgroups)
			flags, called := booted(t, b)
			if got := reserved(flags); got != test.reserved {
				t.Errorf("of the CPU %q is reserved; want %q", got, test.reserved)
			}
			if got := strings.Contains(called, "mount --bind /run/mkube/node /sys/devices/system/node\n"); got != test.cpus {
				t.Errorf("CPUs are hidden: %t; want %t:\n%s", got, test.cpus, called)
			}
			if n := b.must(t, "ls -d /run/mkube/node/cpu[0-9]* /run/mkube/node/*/cpu[0-9]* 2>/dev/null | wc -l"); test.cpus && strings.TrimSpace(n) != "1" {
				t.Errorf("of one CPU %s are left", n)
			}
			if got := strings.Contains(called, "mount --bind /run/mkube/meminfo /proc/meminfo\n"); got != (test.memory != "") {
				t.Errorf("memory is hidden: %t:\n%s", got, called)
			}
			if total := b.must(t, `awk '$1 == "MemTotal:" { print $2 }' /run/mkube/meminfo`); test.memory != "" && strings.TrimSpace(total) != test.memory {
				t.Errorf("the node has %s kB of memory", total)
			}
			if !strings.HasPrefix(called, "mount --make-rshared /\nmount -o remount,rw /sys\n") || !strings.Contains(called, "\nmkube-preloaded-images \n") {
				t.Errorf("it was called\n%s", called)
			}
		})
	}
}

// TestNodeInitMakesTheKubeletsCgroups checks that mkube-node-init creates one in each hierarchy of
// cgroup v1. On v2, the unit of the kubelet creates it.
func TestNodeInitMakesTheKubeletsCgroups(t *testing.T) {
	t.Parallel()
	t.Run("v1", func(t *testing.T) {
		b := initBox(t, map[string]string{
			cgroup + "cpuset/cpuset.cpus": "0-1", cgroup + "cpuset/cpuset.mems": "0", cgroup + "pids/pids.max": "max", cgroup + "unified/cgroup.procs": "",
		})
		for range 2 { // a node that starts again finds the cgroups
			booted(t, b)
			want := "0-1\n0\n/sys/fs/cgroup/cpuset/kubelet\n/sys/fs/cgroup/pids/kubelet\n"
			if got := b.must(t, "cd /sys/fs/cgroup; cat cpuset/kubelet/cpuset.cpus cpuset/kubelet/cpuset.mems; ls -d /sys/fs/cgroup/*/kubelet"); got != want {
				t.Errorf("the cgroups are\n%s\nwant\n%s", got, want)
			}
		}
	})
	t.Run("v2", func(t *testing.T) {
		b := initBox(t, map[string]string{cgroup + "cgroup.controllers": "cpu memory\n"})
		booted(t, b)
		if r := b.sh(t, "ls /sys/fs/cgroup/kubelet"); r.code == 0 {
			t.Errorf("the kubelet's cgroup is made before systemd has moved out of the root: %s", r)
		}
		// The cgroup is a folder in memory (tmpfs), so each write replaces the content of the file.
		got := b.must(t, "mkube-kubelet-cgroup && cat /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/kubelet/cgroup.subtree_control")
		if got != "+memory\n+memory\n" {
			t.Errorf("the kubelet's cgroups are given %q", got)
		}
		b.must(t, "rm -r /sys/fs/cgroup/*; mkdir /sys/fs/cgroup/cpuset; mkube-kubelet-cgroup")
		if got := b.must(t, "ls /sys/fs/cgroup"); got != "cpuset\n" {
			t.Errorf("on v1 the unit makes %q", got)
		}
	})
}

// TestNodeInitWithoutSysResource checks that a node runs even if the engine cannot grant
// CAP_SYS_RESOURCE.
func TestNodeInitWithoutSysResource(t *testing.T) {
	t.Parallel()
	b := initBox(t, map[string]string{cgroup + "cgroup.controllers": "cpu memory"})
	flags, _ := booted(t, b)
	bounding, err := strconv.ParseUint(strings.TrimSpace(b.must(t, `awk '$1 == "CapBnd:" { print $2 }' /proc/self/status`)), 16, 64)
	if err != nil || bounding>>24&1 != 0 {
		t.Fatalf("the box has CAP_SYS_RESOURCE: %x, %v", bounding, err)
	}
	if !strings.Contains(flags, "--feature-gates=KubeletInUserNamespace=true") {
		t.Errorf("the kubelet is given %s", flags)
	}
	if got := b.must(t, "cat /run/mkube/containerd.toml"); !strings.Contains(got, "restrict_oom_score_adj = true") {
		t.Errorf("containerd is configured as\n%s", got)
	}
	// /var is a volume that is empty at first.
	b.must(t, "rm -rf /var/*")
	booted(t, b)
	if got := b.must(t, "readlink /var/run /var/lock /var/lib/dpkg; stat -c %a /var/tmp; ls -d /var/log"); got != "/run\n/run/lock\n/usr/lib/sysimage/dpkg\n1777\n/var/log\n" {
		t.Errorf("an empty /var becomes\n%s", got)
	}
}

func TestPreloadedImages(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.fake(t, map[string]string{"mount": ""})
	b.must(t, "mkdir -p /var/lib/containerd.new/left && mkube-preloaded-images")
	snapshots, err := strconv.Atoi(strings.TrimSpace(b.must(t, "ls -d /usr/share/mkube/containerd/*/snapshots/*/fs | wc -l")))
	if err != nil || snapshots < 2 {
		t.Fatalf("the image has %d snapshots, %v", snapshots, err)
	}
	called := b.called(t)
	if binds, locks := strings.Count(called, "mount --bind /usr/share/mkube/"), strings.Count(called, "mount -o remount,bind,ro /var/lib/containerd/"); binds != snapshots || locks != snapshots {
		t.Errorf("of %d snapshots %d are bound and %d read-only", snapshots, binds, locks)
	}
	if got := b.must(t, "cd /var/lib/containerd; find . -path '*/snapshots/*/fs/*' | wc -l; ls -d ../containerd.new left 2>/dev/null; ls io.containerd.metadata.v1.bolt"); got != "0\nmeta.db\n" {
		t.Errorf("containerd's root has %q", got)
	}
	// Files that a node has created since then remain when the node starts again.
	b.must(t, "touch /var/lib/containerd/mine && mkube-preloaded-images && ls /var/lib/containerd/mine")
	if called := b.called(t); strings.Count(called, "mount --bind") != snapshots {
		t.Errorf("at the second boot it calls\n%s", called)
	}
}

// dockersRules are the rules that an engine writes for its DNS server.
const dockersRules = `*nat
:DOCKER_OUTPUT - [0:0]
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:34567
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:45678
COMMIT
`

// openedRules are the rules that let pods reach that DNS server.
const openedRules = `*nat
-A PREROUTING -d 172.31.0.1/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:34567
-A PREROUTING -d 172.31.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:45678
-A OUTPUT -d 172.31.0.1/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:34567
-A OUTPUT -d 172.31.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:45678
COMMIT
`

func TestNodeDNS(t *testing.T) {
	t.Parallel()
	const resolv = "search example.com\nnameserver 127.0.0.11\noptions ndots:0\n"
	for name, test := range map[string]struct {
		routes, resolv, nft, legacy string
		want                        string // the rules
		by, says                    string
	}{
		"rules by nft":            {"default via 172.31.0.1 dev eth0", resolv, dockersRules, "", openedRules, "iptables-nft-restore --noflush", ""},
		"rules by legacy":         {"default via 172.31.0.1 dev eth0", resolv, "*nat\nCOMMIT\n", dockersRules, openedRules, "iptables-legacy-restore --noflush", ""},
		"a second network":        {"default via 172.31.0.1 dev eth0\ndefault via 10.0.0.1 dev eth1", resolv, dockersRules, "", openedRules, "iptables-nft-restore --noflush", ""},
		"an ordinary resolver":    {"default via 172.31.0.1 dev eth0", "nameserver 192.0.2.53\n", dockersRules, "", "", "", ""},
		"one that only begins so": {"default via 172.31.0.1 dev eth0", "nameserver 127.0.0.110\n", dockersRules, "", "", "", ""},
		"no way out":              {"", resolv, dockersRules, "", "", "", ""},
		"no rules":                {"default via 172.31.0.1 dev eth0", resolv, "", "", "", "", "found no rules of Docker's DNS server"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.fake(t, map[string]string{
				"ip": "echo '" + test.routes + "'", "iptables-nft-save": "cat /nft", "iptables-legacy-save": "cat /legacy",
				"iptables-nft-restore": "cat >/restored", "iptables-legacy-restore": "cat >/restored",
			})
			b.write(t, map[string]string{"/nft": test.nft, "/legacy": test.legacy})
			b.must(t, "printf '"+strings.ReplaceAll(test.resolv, "\n", `\n`)+"' >/etc/resolv.conf")
			r := b.sh(t, "mkube-node-dns")
			if r.code != 0 || !strings.Contains(r.stderr, test.says) || test.says == "" && r.stderr != "" {
				t.Errorf("mkube-node-dns: %s", r)
			}
			if got := b.must(t, "cat /restored 2>/dev/null || true"); got != test.want {
				t.Errorf("it adds the rules\n%s\nwant\n%s", got, test.want)
			}
			if called := b.called(t); test.by != "" && !strings.Contains(called, test.by+"\n") {
				t.Errorf("it calls\n%s", called)
			}
			want := test.resolv
			if test.want != "" {
				want = strings.Replace(want, "127.0.0.11", "172.31.0.1", 1)
			}
			if got := b.must(t, "cat /etc/resolv.conf"); got != want {
				t.Errorf("the resolver's configuration is\n%s\nwant\n%s", got, want)
			}
			if got := b.must(t, "cat /proc/sys/net/ipv4/conf/all/route_localnet"); (got == "1\n") != (test.want != "") {
				t.Errorf("packets to a loopback address may come in: %s", got)
			}
		})
	}
}

func TestPodNetwork(t *testing.T) {
	t.Parallel()
	const conflist = "/etc/cni/net.d/10-mkube.conflist"
	for name, test := range map[string]struct{ routes, before, after string }{
		"the MTU is the link's":             {"default via 172.31.0.1 dev eth0 proto static", `{"mtu": 1450, "a": 1}`, `{"mtu": LINK, "a": 1}`},
		"of the link that leads out":        {"default via 10.0.0.1 dev lo", `{"mtu": 1450}`, `{"mtu": 65536}`},
		"of the first of two":               {"default via 10.0.0.1 dev lo\ndefault via 172.31.0.1 dev eth0", `{"mtu": 1450}`, `{"mtu": 65536}`},
		"a node with IPv6 only":             {"", `{"mtu": 1450}`, `{"mtu": LINK}`},
		"a number that only begins so":      {"default via 10.0.0.1 dev lo", `{"mtu": 655360}`, `{"mtu": 65536}`},
		"one that is right stays as it was": {"default via 10.0.0.1 dev lo", `{"mtu": 65536}`, `{"mtu": 65536}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.fake(t, map[string]string{"ip": `[ "$1" != route ] || echo '` + test.routes + `'`, "nft": ""})
			b.write(t, map[string]string{conflist: test.before})
			inode := b.must(t, "stat -c %i "+conflist)
			b.must(t, "mkube-pod-network")
			want := strings.ReplaceAll(test.after, "LINK", strings.TrimSpace(b.must(t, "cat /sys/class/net/eth0/mtu")))
			if got := strings.TrimSpace(b.must(t, "cat "+conflist)); got != want {
				t.Errorf("the CNI configuration is %s; want %s", got, want)
			}
			if same := b.must(t, "stat -c %i "+conflist) == inode; same != (test.before == test.after) {
				t.Errorf("the file is the same one: %t", same)
			}
			if got, want := b.called(t), "ip route show default\nip -force -batch /etc/mkube/pod-network/routes\nnft --file /etc/mkube/pod-network/rules.nft\n"; got != want {
				t.Errorf("it calls\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestPodNetworkQueuesPackets checks that the rules of the boot are loaded once, and do not change the
// rules that kube-network-policies has written since.
func TestPodNetworkQueuesPackets(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.fake(t, map[string]string{"ip": `[ "$1" != route ] || echo 'default via 10.0.0.1 dev lo'`, "nft": ""})
	b.write(t, map[string]string{
		"/etc/cni/net.d/10-mkube.conflist":     `{"mtu": 65536}`,
		"/etc/mkube/network-policies/iptables": "*mangle\n-N MKUBE-POLICIES\n-A MKUBE-POLICIES -s 10.244.0.0/24 -j DROP\n-A FORWARD -j MKUBE-POLICIES\nCOMMIT",
	})
	rules := func(want string) {
		t.Helper()
		b.must(t, "mkube-pod-network")
		if got := b.must(t, "iptables --table mangle --list-rules | grep MKUBE"); got != want {
			t.Errorf("the rules are\n%s\nwant\n%s", got, want)
		}
	}
	rules("-N MKUBE-POLICIES\n-A FORWARD -j MKUBE-POLICIES\n-A MKUBE-POLICIES -s 10.244.0.0/24 -j DROP\n")
	b.must(t, "iptables --table mangle --flush MKUBE-POLICIES")
	rules("-N MKUBE-POLICIES\n-A FORWARD -j MKUBE-POLICIES\n")
}

func TestVMInit(t *testing.T) {
	t.Parallel()
	const upstream = "/run/systemd/resolve/resolv.conf"
	b := newBox(t)
	b.ofVMs(t, "/usr/local/bin/mkube-vm-init")
	b.fake(t, map[string]string{"modprobe": "", "/usr/local/bin/mkube-preloaded-images": ""})
	for _, test := range []struct {
		name, prepare, want string
	}{
		{"an ordinary resolver", "echo nameserver 192.0.2.53 >/etc/resolv.conf", "NODE_FLAGS=\n"},
		{"systemd-resolved without upstream", "echo nameserver 127.0.0.53 >/etc/resolv.conf", "NODE_FLAGS=\n"},
		{"systemd-resolved", "mkdir -p /run/systemd/resolve && touch " + upstream, "NODE_FLAGS=--resolv-conf=" + upstream + "\n"},
	} {
		b.must(t, test.prepare)
		b.must(t, "mkube-vm-init")
		if got := b.must(t, "cat /run/mkube/kubelet.env"); got != test.want {
			t.Errorf("%s: the kubelet is given %q; want %q", test.name, got, test.want)
		}
		if got := b.called(t); got != "modprobe br_netfilter\nmkube-preloaded-images \n" {
			t.Errorf("%s: it calls\n%s", test.name, got)
		}
	}
}

func TestVMSetup(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.ofVMs(t, "/usr/local/bin/mkube-vm-setup")
	b.must(t, "umount /etc/hosts && printf '127.0.0.1 localhost\\n127.0.1.1 blue-worker\\n10.0.0.9 blue-worker2\\n' >/etc/hosts")
	b.write(t, map[string]string{"/usr/share/mkube/packages.txt": "# base\nsystemd\nsystemd-sysv\nusr-is-merged\nbusybox-static\niptables # with a reason\nconntrack\njq\n"})
	b.fake(t, map[string]string{
		"hostnamectl": "", "sysctl": "", "systemctl": "",
		// jq was removed, but its configuration is left.
		"dpkg-query": `case $4 in iptables) echo "install ok installed" ;; jq) echo "deinstall ok config-files" ;; *) exit 1 ;; esac`,
		"apt-get":    `[ ! -e /broken ] || { echo "no such host"; exit 100; }; ls -l /usr/sbin/policy-rc.d | cut -c1-4`,
	})
	b.must(t, "mkube-vm-setup blue-worker 10.0.0.3")
	if got, want := b.must(t, "cat /etc/hosts"), "127.0.0.1 localhost\n10.0.0.9 blue-worker2\n10.0.0.3 blue-worker\n"; got != want {
		t.Errorf("the machine's hosts are\n%s\nwant\n%s", got, want)
	}
	called := b.called(t)
	for _, want := range []string{
		"hostnamectl set-hostname blue-worker\n", "apt-get update\napt-get install -y --no-install-recommends conntrack jq\n",
		"sysctl --quiet --load /etc/sysctl.d/90-mkube.conf\nsystemctl daemon-reload\nsystemctl start mkube.target\n",
	} {
		if !strings.Contains(called, want) {
			t.Errorf("it does not call\n%sbut\n%s", want, called)
		}
	}
	if got := b.must(t, "cat /var/log/mkube-packages.log; ls /usr/sbin/policy-rc.d 2>/dev/null || true"); got != "-rwx\n-rwx\n" {
		t.Errorf("while packages are installed, and afterwards, services are kept from starting by %q", got)
	}
	b.must(t, "touch /broken")
	r := b.sh(t, "mkube-vm-setup blue-worker 10.0.0.3")
	if r.code != 1 || !strings.Contains(r.stderr, "no such host\ncould not install conntrack jq: ") || strings.Contains(b.called(t), "systemctl") {
		t.Errorf("without packages: %s", r)
	}
	if r := b.sh(t, "ls /usr/sbin/policy-rc.d"); r.code == 0 {
		t.Error("no service would ever start again")
	}
}

// onHost connects a box to the network of the host.
func onHost(h *container.HostConfig) { h.NetworkMode = "host" }
