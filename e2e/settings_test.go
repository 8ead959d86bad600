//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
)

// settings is a configuration that changes every component. The verbs are the folder of extraMounts
// with the files encryption.yaml and scheduler.yaml, and the URL and the certificate of an issuer.
const settings = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  extraMounts: [{hostPath: %[1]s, containerPath: /etc/kubernetes/mine, readOnly: true}]
  kubeletConfigPatches: ["serverTLSBootstrap: true", "containerLogMaxFiles: 3"]
extraArgs:
  etcd: {quota-backend-bytes: "1073741824"}
  kube-apiserver:
    encryption-provider-config: /etc/kubernetes/extra/encryption.yaml
    audit-policy-file: /etc/kubernetes/extra/audit.yaml
    oidc-issuer-url: %[2]s
    oidc-client-id: e2e
    oidc-groups-claim: groups
    oidc-groups-prefix: "oidc:"
    oidc-required-claim: tenant=blue
    oidc-ca-file: /etc/kubernetes/extra/issuer.crt
  kube-controller-manager: {bind-address: 0.0.0.0}
  kube-scheduler: {config: /etc/kubernetes/mine/scheduler.yaml}
  kubelet: {max-pods: 42, v: 3}
  kube-proxy: {metrics-bind-address: "0.0.0.0:10249", v: 3}
  kube-network-policies: {v: 4}
  cloud-controller-manager: {concurrent-service-syncs: 2}
  coredns: {quiet: true}
  local-path-provisioner: {worker-threads: 2}
extraFiles:
  kube-apiserver:
  - {hostPath: %[1]s/encryption.yaml, path: /etc/kubernetes/extra/encryption.yaml}
  - path: /etc/kubernetes/extra/audit.yaml
    content: |
      apiVersion: audit.k8s.io/v1
      kind: Policy
      rules: [{level: Metadata, resources: [{group: "", resources: [configmaps]}]}]
  - {content: %[3]q, path: /etc/kubernetes/extra/issuer.crt}
extraVolumes:
  etcd: [{hostPath: /var/lib/e2e, mountPath: /e2e, pathType: DirectoryOrCreate}]
kubeProxyConfigPatches: ["oomScoreAdj: 500"]
containerdConfigPatches: ["[debug]\nlevel = 'debug'\n[plugins.'io.containerd.snapshotter.v1.blockfile']\nscratch_file = '/etc/kubernetes/mine/scheduler.yaml'\n"]
`

// settingsFiles are the files of the folder of extraMounts.
var settingsFiles = map[string]string{
	"encryption.yaml": `
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers: [{aescbc: {keys: [{name: one, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}}, {identity: {}}]
`,
	"scheduler.yaml": `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: /etc/kubernetes/scheduler.conf}
leaderElection: {leaderElect: false}
profiles: [{schedulerName: default-scheduler}, {schedulerName: e2e-scheduler}]
`,
}

// TestSettingsOfEveryComponent creates one cluster with settings for every component, and checks the
// effect of each on the running component.
func TestSettingsOfEveryComponent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range settingsFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	i := runIssuer(t)
	c := create(t, "e2e-settings", fmt.Sprintf(settings, dir, i.url, i.ca))
	t.Run("the kubelet serves with the certificate that was approved", func(t *testing.T) { servingCertificate(t, c) })
	t.Run("every component has its settings", func(t *testing.T) { settingsHold(t, c) })
	t.Run("tokens of the issuer are accepted", func(t *testing.T) { issuerIsTrusted(t, c, i) })
	t.Run("only health checks and the issuer's documents are anonymous", func(t *testing.T) { anonymousRequests(t, c) })
	t.Run("every field of the kubelet can be patched", func(t *testing.T) { kubeletFieldsAreKnown(t, c) })
}

// servingCertificate approves the kubelet's request.
func servingCertificate(t *testing.T, c cluster) {
	const trusted = `curl --silent --show-error --cacert /etc/kubernetes/pki/ca.crt "https://$(hostname -i | cut -d ' ' -f 1):10250/healthz"`
	if r := c.sh(t, trusted); r.code == 0 {
		t.Errorf("before the approval, the kubelet has a certificate: %s", r)
	}
	request := ""
	eventually(t, "the kubelet requests a certificate", func() (bool, string) {
		request = c.kubectl(t, "get", "csr", "--field-selector", "spec.signerName=kubernetes.io/kubelet-serving", "-o", "name")
		return request != "", "no request"
	})
	c.kubectl(t, append([]string{"certificate", "approve"}, strings.Fields(request)...)...)
	eventually(t, "the kubelet uses the certificate", func() (bool, string) {
		r := c.sh(t, trusted)
		return r.code == 0, r.String()
	})
	c.kubectl(t, "logs", "--namespace", "kube-system", "--selector", "component=etcd", "--tail", "1")
}

func settingsHold(t *testing.T, c cluster) {
	const address = "$(hostname -i | cut -d ' ' -f 1)"
	// running prints the arguments of a process, and process runs a command for its id.
	running := func(name string) string { return "tr '\\0' ' ' <" + process(name, "cmdline") }
	c.kubectl(t, "create", "secret", "generic", "e2e", "--from-literal=word=plain")
	c.kubectl(t, "create", "configmap", "e2e")
	c.apply(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"e2e"},"spec":{"schedulerName":"e2e-scheduler","containers":[{"name":"e2e","image":"example.com/none"}]}}`, "apply", "-f", "-")
	for what, check := range map[string]struct{ script, want string }{
		"etcd's quota":                     {"curl --silent 127.0.0.1:2381/metrics | grep ^etcd_server_quota_backend_bytes", "1.073741824e+09"},
		"etcd's volume":                    {"ls /proc/" + process("etcd", "root/e2e") + " && stat -c %F /var/lib/e2e", "directory"},
		"the encrypted Secret":             {"mkube-etcd get -o raw /registry/secrets/default/e2e | head -c 19", "k8s:enc:aescbc:v1:o"},
		"the audit policy":                 {"grep -q '\"resource\":\"configmaps\".*\"name\":\"e2e\"' /var/log/kubernetes/audit/audit.log && ! grep -q '\"resource\":\"pods\"' /var/log/kubernetes/audit/audit.log && echo only", "only"},
		"that no flag is left":             {running("kube-apiserver") + " | grep -c -e --oidc", "0"},
		"the controller manager's address": {"curl --silent --insecure https://" + address + ":10257/healthz", "ok"},
		"the scheduler's profile":          {"kubectl wait --for=condition=PodScheduled pod/e2e --timeout=30s", "condition met"},
		"the kubelet's flag":               {"kubectl get nodes -o jsonpath='{.items[0].status.capacity.pods}'", "42"},
		"the kubelet's verbosity":          {running("kubelet"), "--v=3"},
		"the kubelet's patch":              {"kubectl get --raw /api/v1/nodes/$(hostname)/proxy/configz", `"containerLogMaxFiles":3`},
		"kube-proxy's flag":                {"curl --silent http://" + address + ":10249/metrics", "kubeproxy_"},
		"kube-proxy's patch":               {"cat " + process("kube-proxy", "oom_score_adj"), "500"},
		"kube-proxy's verbosity":           {running("kube-proxy"), "--v=3"},
		"the policies' verbosity":          {running("kube-network-policies"), "--v=4"},
		"the cloud's flag":                 {running("cloud-controller-manager"), "--concurrent-service-syncs=2"},
		"CoreDNS's flag":                   {"kubectl logs -n kube-system -l k8s-app=kube-dns --tail=-1 | grep -c ^CoreDNS-", "0"},
		"the provisioner's flag":           {running("local-path-provisioner"), "--worker-threads=2"},
		"containerd's log level":           {"containerd config dump | sed -n '/^\\[debug\\]/,/^$/p'", "level = 'debug'"},
		"containerd's plugin":              {"containerd config dump | grep -A20 ^disabled_plugins | grep -c blockfile", "0"},
	} {
		if r := c.sh(t, check.script); !strings.Contains(r.stdout+r.stderr, check.want) {
			t.Errorf("%s is not there, want %q: %s", what, check.want, r)
		}
	}
}

// process returns the path of a file of the newest process of a program, for a shell.
func process(name, file string) string {
	return "/proc/$(pgrep --newest --full '^([^ ]*/)?" + name + " ')/" + file
}

// issuerIsTrusted checks the user and the groups of tokens, and that others are refused.
func issuerIsTrusted(t *testing.T, c cluster, i issuer) {
	whoami := func(claims map[string]any) result {
		return c.sh(t, "kubectl --kubeconfig /dev/null --server https://127.0.0.1:6443 --certificate-authority /etc/kubernetes/pki/ca.crt --token "+
			i.token(t, claims)+" auth whoami -o jsonpath='{.status.userInfo}'")
	}
	claims := func(tenant, client string) map[string]any {
		return map[string]any{"sub": "alice", "aud": client, "groups": []string{"team"}, "tenant": tenant}
	}
	eventually(t, "the API server has the issuer's keys", func() (bool, string) {
		r := whoami(claims("blue", "e2e"))
		return r.code == 0 && strings.Contains(r.stdout, `"username":"`+i.url+`#alice"`) && strings.Contains(r.stdout, `"oidc:team"`), r.String()
	})
	for what, claims := range map[string]map[string]any{"another tenant": claims("red", "e2e"), "another client": claims("blue", "other")} {
		if r := whoami(claims); r.code == 0 || !strings.Contains(r.stderr, "Unauthorized") {
			t.Errorf("a token of %s: %s", what, r)
		}
	}
}

func anonymousRequests(t *testing.T, c cluster) {
	const documents = "/.well-known/openid-configuration /openid/v1/jwks"
	codes := func(paths string) string {
		r := c.sh(t, "for path in "+paths+`; do curl --silent --output /dev/null --write-out "$path %{http_code}\n" --cacert /etc/kubernetes/pki/ca.crt "https://127.0.0.1:6443$path"; done`)
		return r.stdout
	}
	want := "/livez 200\n/readyz 200\n/healthz 200\n/.well-known/openid-configuration 403\n/openid/v1/jwks 403\n/version 401\n/api 401\n/api/v1/nodes 401\n/metrics 401\n"
	if got := codes("/livez /readyz /healthz " + documents + " /version /api /api/v1/nodes /metrics"); got != want {
		t.Errorf("without a name, the paths answer\n%s; want\n%s", got, want)
	}
	c.kubectl(t, "create", "clusterrolebinding", "anybody", "--clusterrole=system:service-account-issuer-discovery", "--group=system:unauthenticated")
	eventually(t, "RBAC allows the documents", func() (bool, string) {
		got := codes(documents)
		return got == "/.well-known/openid-configuration 200\n/openid/v1/jwks 200\n", got
	})
}

// kubeletFieldsAreKnown checks that the configuration of a running kubelet is a valid patch, except
// for the fields on which a node relies.
func kubeletFieldsAreKnown(t *testing.T, c cluster) {
	var configz struct{ KubeletConfig map[string]any }
	out := c.kubectl(t, "get", "--raw", "/api/v1/nodes/"+c.name+"-control-plane/proxy/configz")
	if err := json.Unmarshal([]byte(out), &configz); err != nil {
		t.Fatal(err)
	}
	if len(configz.KubeletConfig) < 60 {
		t.Fatalf("the kubelet shows only %d fields", len(configz.KubeletConfig))
	}
	for _, fixed := range []string{"staticPodPath", "containerRuntimeEndpoint", "cgroupDriver", "cgroupRoot", "healthzPort", "healthzBindAddress", "iptablesMasqueradeBit", "iptablesDropBit"} {
		delete(configz.KubeletConfig, fixed)
	}
	patch, err := json.Marshal(configz.KubeletConfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Cluster{Nodes: []config.Node{{KubeletConfigPatches: []string{string(patch)}}}}
	if err := cfg.Default().Validate(); err != nil {
		t.Error(err)
	}
}
