//go:build e2e

package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// securityPage checks that each line of docs/security.md that passed is true on each node of a
// cluster.
func securityPage(t *testing.T, c cluster, nodes ...string) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]facts{}
	for _, n := range nodes {
		found[n] = c.facts(t, n)
	}
	passed := 0
	for _, m := range regexp.MustCompile(`(?m)^\| ([0-9.]+) \| .* \| passed \|$`).FindAllStringSubmatch(string(page), -1) {
		id := m[1]
		rule, ok := benchmark[id]
		if !ok {
			t.Errorf("line %s of the page passed, but no rule checks it", id)
			continue
		}
		passed++
		for _, n := range nodes {
			// Only the fourth section is about workers.
			if found[n].worker && !strings.HasPrefix(id, "4.") {
				continue
			}
			if err := rule(found[n]); err != nil {
				t.Errorf("line %s is not true on %s: %v", id, n, err)
			}
		}
	}
	if passed != len(benchmark) {
		t.Errorf("%d lines passed, but there are %d rules", passed, len(benchmark))
	}
}

// systemCalls checks that the kernel filters the system calls of all containers except kube-proxy's.
func systemCalls(t *testing.T, nodes ...string) {
	const script = `for id in $(crictl ps --quiet); do
  crictl inspect --output go-template --template '{{.status.metadata.name}} {{.info.pid}}' $id | { read -r name pid; echo "$name $(awk '/^Seccomp:/ { print $2 }' /proc/$pid/status)"; }
done`
	for _, n := range nodes {
		out := mkube(t, "exec", n, "--", "sh", "-c", script)
		if !strings.Contains(out, "kube-proxy 0\n") || strings.Count(out, " 0\n") != 1 || strings.Count(out, " 2\n") != strings.Count(out, "\n")-1 {
			t.Errorf("on %s, the containers have these modes of seccomp:\n%s", n, out)
		}
	}
}

const (
	manifests     = "/etc/kubernetes/manifests/"
	etc           = "/etc/kubernetes/"
	keys          = "/etc/kubernetes/pki/"
	cni           = "/etc/cni/net.d/10-mkube.conflist"
	kubeletConfig = "/var/lib/kubelet/config.yaml"
)

// benchmark are the rules by the ID of their line.
var benchmark = map[string]rule{
	"1.1.1": modes(0o600, manifests+"kube-apiserver.yaml"), "1.1.2": roots(manifests + "kube-apiserver.yaml"),
	"1.1.3": modes(0o600, manifests+"kube-controller-manager.yaml"), "1.1.4": roots(manifests + "kube-controller-manager.yaml"),
	"1.1.5": modes(0o600, manifests+"kube-scheduler.yaml"), "1.1.6": roots(manifests + "kube-scheduler.yaml"),
	"1.1.7": modes(0o600, manifests+"etcd.yaml"), "1.1.8": roots(manifests + "etcd.yaml"),
	"1.1.9": modes(0o600, cni), "1.1.10": roots(cni),
	"1.1.11": modes(0o700, "/var/lib/etcd"),
	"1.1.13": modes(0o600, etc+"admin.conf"), "1.1.14": roots(etc + "admin.conf"),
	"1.1.15": modes(0o600, etc+"scheduler.conf"), "1.1.16": roots(etc + "scheduler.conf"),
	"1.1.17": modes(0o600, etc+"controller-manager.conf"), "1.1.18": roots(etc + "controller-manager.conf"),
	"1.1.19": below(roots, keys, ""), "1.1.20": below(atMost(0o644), keys, ".crt"), "1.1.21": below(atMost(0o600), keys, ".key"),

	"1.2.2":  flags("kube-apiserver", "token-auth-file", unset),
	"1.2.4":  all(flags("kube-apiserver", "kubelet-client-certificate", set), flags("kube-apiserver", "kubelet-client-key", set)),
	"1.2.5":  flags("kube-apiserver", "kubelet-certificate-authority", set),
	"1.2.6":  flags("kube-apiserver", "authorization-mode", andAlso(set, lacks("AlwaysAllow"))),
	"1.2.7":  flags("kube-apiserver", "authorization-mode", has("Node")),
	"1.2.8":  flags("kube-apiserver", "authorization-mode", has("RBAC")),
	"1.2.10": flags("kube-apiserver", "enable-admission-plugins", lacks("AlwaysAdmit")),
	"1.2.12": flags("kube-apiserver", "disable-admission-plugins", lacks("ServiceAccount")),
	"1.2.13": flags("kube-apiserver", "disable-admission-plugins", lacks("NamespaceLifecycle")),
	"1.2.14": flags("kube-apiserver", "enable-admission-plugins", has("NodeRestriction")),
	"1.2.15": flags("kube-apiserver", "profiling", is("false")),
	"1.2.16": flags("kube-apiserver", "audit-log-path", set),
	"1.2.17": flags("kube-apiserver", "audit-log-maxage", is("30")),
	"1.2.20": flags("kube-apiserver", "request-timeout", unset), // the default is a minute
	"1.2.21": flags("kube-apiserver", "service-account-lookup", unless("false")),
	"1.2.22": flags("kube-apiserver", "service-account-key-file", set),
	"1.2.23": all(flags("kube-apiserver", "etcd-certfile", set), flags("kube-apiserver", "etcd-keyfile", set)),
	"1.2.24": all(flags("kube-apiserver", "tls-cert-file", set), flags("kube-apiserver", "tls-private-key-file", set)),
	"1.2.25": flags("kube-apiserver", "client-ca-file", set),
	"1.2.26": flags("kube-apiserver", "etcd-cafile", set),
	"1.2.29": flags("kube-apiserver", "tls-cipher-suites", andAlso(set, strong)),

	"1.3.2": flags("kube-controller-manager", "profiling", is("false")),
	"1.3.3": flags("kube-controller-manager", "use-service-account-credentials", is("true")),
	"1.3.4": flags("kube-controller-manager", "service-account-private-key-file", set),
	"1.3.5": flags("kube-controller-manager", "root-ca-file", set),
	"1.3.6": flags("kube-controller-manager", "feature-gates", lacks("RotateKubeletServerCertificate=false")),
	"1.3.7": all(flags("kube-controller-manager", "bind-address", is("127.0.0.1")), local("10257")),
	"1.4.1": flags("kube-scheduler", "profiling", is("false")),
	"1.4.2": all(flags("kube-scheduler", "bind-address", is("127.0.0.1")), local("10259")),

	"2.1": all(flags("etcd", "cert-file", set), flags("etcd", "key-file", set)),
	"2.2": flags("etcd", "client-cert-auth", is("true")),
	"2.3": flags("etcd", "auto-tls", unless("true")),
	"2.4": all(flags("etcd", "peer-cert-file", set), flags("etcd", "peer-key-file", set)),
	"2.5": flags("etcd", "peer-client-cert-auth", is("true")),
	"2.6": flags("etcd", "peer-auto-tls", unless("true")),
	"2.7": ownAuthority,

	"3.1.2": func(f facts) error {
		return check(!strings.Contains(f.kubeconfig, "token"), "the kubeconfig has a token")
	},
	"3.1.3": func(f facts) error { return check(f.tokens == "", "there are the bootstrap tokens "+f.tokens) },
	"3.2.1": flags("kube-apiserver", "audit-policy-file", set),

	"4.1.2": roots("/etc/systemd/system/kubelet.service"),
	"4.1.3": modes(0o600, etc+"kube-proxy.conf"), "4.1.4": roots(etc + "kube-proxy.conf"),
	"4.1.5": modes(0o600, etc+"kubelet.conf"), "4.1.6": roots(etc + "kubelet.conf"),
	"4.1.7": modes(0o644, keys+"ca.crt"), "4.1.8": roots(keys + "ca.crt"),
	"4.1.9": modes(0o600, kubeletConfig), "4.1.10": roots(kubeletConfig),

	"4.2.1":  field("false", "authentication", "anonymous", "enabled"),
	"4.2.2":  field("Webhook", "authorization", "mode"),
	"4.2.3":  field(keys+"ca.crt", "authentication", "x509", "clientCAFile"),
	"4.2.4":  field("<nil>", "readOnlyPort"), // it is left out if it is 0
	"4.2.5":  field("4h0m0s", "streamingConnectionIdleTimeout"),
	"4.2.6":  field("true", "makeIPTablesUtilChains"),
	"4.2.8":  field("0", "eventRecordQPS"), // no limit
	"4.2.9":  all(field("/var/lib/kubelet/pki/kubelet.crt", "tlsCertFile"), field("/var/lib/kubelet/pki/kubelet.key", "tlsPrivateKeyFile")),
	"4.2.11": field("<nil>", "featureGates", "RotateKubeletServerCertificate"), // it is on by default
	"4.2.12": strongKubelet,
	"4.2.14": field("true", "seccompDefault"),
	"4.3.1":  local("10249"),
}
