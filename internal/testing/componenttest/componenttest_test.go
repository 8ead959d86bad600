package componenttest

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ from, to, want string }{
		"the same":           {"a\nb\n", "a\nb\n", ""},
		"a line more":        {"a\nc\n", "a\nb\nc\n", "+ b\n"},
		"a line less":        {"a\nb\nc\n", "a\nc\n", "- b\n"},
		"another":            {"a\nb\nc\n", "a\nx\nc\n", "- b\n+ x\n"},
		"another order":      {"a\nb\n", "b\na\n", "- a\n+ a\n"},
		"one of equal ones":  {"x\nx\n", "x\nx\nx\n", "+ x\n"},
		"from nothing":       {"", "a\n", "+ a\n"},
		"to nothing":         {"a\nb\n", "", "- a\n- b\n"},
		"no newline at last": {"a\nb", "a\nc", "- b\n+ c\n"},
	} {
		if got := diff(test.from, test.to); got != test.want {
			t.Errorf("%s: diff = %q; want %q", name, got, test.want)
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	base := []string{"-- /a --\n1\n2\n", "-- /b --\nx\n", "-- /ab --\ny\n"}
	others := []string{"-- /a --\n1\n3\n", "-- /b --\nx\n", "-- /new --\nz\n"}
	want := []string{"-- /a --\n- 2\n+ 3\n", "-- /new --\nz\n", "-- /ab --\n(gone)\n"}
	if got := changes(base, others); !slices.Equal(got, want) {
		t.Errorf("changes = %q; want %q", got, want)
	}
	if got := changes(base, base); got != nil {
		t.Errorf("changes of nothing = %q", got)
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	cl := Cluster(t, config.Cluster{})
	pair, err := cl.PKI.Issue(cl.PKI.Cluster, pki.Request{CommonName: "me", Usage: pki.Client})
	if err != nil {
		t.Fatal(err)
	}
	info, err := pki.Describe(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	embed := func(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
	for name, test := range map[string]struct{ in, want string }{
		"text":           {"plain: text\n", "plain: text\n"},
		"nothing":        {"", ""},
		"a certificate":  {string(pair.Cert), info.String()},
		"two":            {string(pair.Cert) + string(pair.Cert), info.String() + info.String()},
		"a key":          {string(pair.Key), "<private key>\n"},
		"a secret key":   {"-----BEGIN HEARTBEAT KEY-----\nAAAA\n-----END HEARTBEAT KEY-----\n", "<secret key>\n"},
		"a public key":   {string(cl.PKI.ServiceAccountPub), "<public key>\n"},
		"a kubeconfig":   {"user:\n    client-key-data: " + embed(pair.Key) + "\nend: 1\n", "user:\n    client-key-data: |\n      <private key>\nend: 1\n"},
		"a Secret":       {"data:\n  tls.key: " + embed(pair.Key) + "\n", "data:\n  tls.key: |\n    <private key>\n"},
		"not of a block": {"# -----BEGIN X-----\n", "# -----BEGIN X-----\n"},
	} {
		if got, err := Readable([]byte(test.in)); got != test.want || err != nil {
			t.Errorf("%s: Readable = %q, %v; want %q", name, got, err, test.want)
		}
	}
	for name, in := range map[string]string{
		"no base64":             "a-data: ***\n",
		"an odd block":          "-----BEGIN X-----\nAAAA\n-----END X-----\n",
		"an odd block embedded": "a-data: " + embed([]byte("-----BEGIN X-----\nAAAA\n-----END X-----\n")) + "\n",
		"no certificate":        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if got, err := Readable([]byte(in)); err == nil {
			t.Errorf("%s: Readable = %q and no error", name, got)
		}
	}
}

const goodPod = `apiVersion: v1
kind: Pod
metadata: {name: x, namespace: kube-system, labels: {component: x, tier: node}}
spec:
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  containers:
  - name: x
    image: registry.k8s.io/x:v1
    imagePullPolicy: IfNotPresent
    command: [x]
    startupProbe: {periodSeconds: 1, httpGet: {host: h, path: /a, port: 1}}
    livenessProbe: {httpGet: {host: h, path: /b, port: 1}}
    readinessProbe: {httpGet: {host: h, path: /c, port: 1}}
    volumeMounts: [{name: f, mountPath: /etc/f}]
  volumes: [{name: f, hostPath: {path: /etc/f, type: File}}]
`

// TestPodMistakes breaks one rule after the other.
func TestPodMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ old, new, want string }{
		{"", "", ""},
		{"kind: Pod", "kind: Job", "the manifest is no v1 Pod"},
		{"namespace: kube-system", "namespace: default", "the pod is not called kube-system/x"},
		{"component: x", "component: y", "the label component is not x"},
		{"tier: node", "tier: top", "the label tier is neither control-plane nor node"},
		{"hostNetwork: true", "hostNetwork: false", "the pod is not on the node's network, which is there before any CNI"},
		{"priority: 2000001000", "priority: 1", "the priority is not that of system-node-critical"},
		{"priorityClassName: system-node-critical", "priorityClassName: x", "the priority class is not system-node-critical"},
		{"registry.k8s.io/", "docker.io/", "the image is not one of registry.k8s.io/ or mkube.dev/"},
		{"IfNotPresent", "Always", "the image would be pulled although it is preloaded"},
		{"command: [x]", "command: [y]", "the command is not x"},
		{"- name: x", "- name: y", "the container is not called x, by which its log is found"},
		{"path: /b, ", "", "the liveness probe asks no URL"},
		{"readinessProbe", "lifecycle: {}\n    #", "the readiness probe asks no URL"},
		{"periodSeconds: 1", "periodSeconds: 10", "the startup probe does not ask every second"},
		{"type: File", "", "volume f is no path of the node with a type"},
		{"path: /etc/f", "path: /etc/g", "volume f is /etc/g, which is none of the component's files, mount f is /etc/f inside and /etc/g outside: the flags name one path"},
		{"[{name: f, mountPath: /etc/f}]", "[]", "volume f is not mounted"},
		{"[{name: f, mountPath", "[{name: g, mountPath", "mount g has no volume, volume f is not mounted"},
	} {
		if !strings.Contains(goodPod, test.old) {
			t.Fatalf("the good pod has no %q", test.old)
		}
		var pod corev1.Pod
		if err := yaml.UnmarshalStrict([]byte(strings.Replace(goodPod, test.old, test.new, 1)), &pod); err != nil {
			t.Fatalf("%q: %v", test.new, err)
		}
		mistakes := append(podMistakes("x", pod), volumeMistakes(pod, []provider.File{{Path: "/etc/f"}})...)
		if got := strings.Join(mistakes, ", "); got != test.want {
			t.Errorf("with %q for %q, mistakes are %q; want %q", test.new, test.old, got, test.want)
		}
	}
}

// TestLessonMistakes breaks one rule of lessons after the other.
func TestLessonMistakes(t *testing.T) {
	t.Parallel()
	words := strings.TrimSpace(strings.Repeat(strings.Repeat("word ", 10)+"\n", 12)) + "\n"
	good := "# x\n\n## What it is for\n\n" + words + "\n## What it talks to\n\nNobody.\n\n## See it\n\n    kubectl get x\n    mkube exec y -- z\n\n## What breaks without it\n\nAll.\n"
	for _, test := range []struct{ old, new, want string }{
		{"", "", ""},
		{"# x", "# y", "it does not begin with # x"},
		{"## See it", "## Look", "its headings are"},
		{words, "few", "it is too short or too long"},
		{"word", strings.Repeat("long", 20), "a line is longer than 99 characters"},
		{"    kubectl get x\n", "", "See it has not 2 or 3 commands"},
		{"    kubectl", "kubectl", "See it has not 2 or 3 commands"},
		{"All.", "All.\tx", "it has tabs"},
		{"All.\n", "All.", "it has tabs, or does not end with one newline"},
	} {
		got := strings.Join(lessonMistakes("x", strings.Replace(good, test.old, test.new, 1)), ", ")
		if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
			t.Errorf("with %.20q for %.20q, mistakes are %q; want %q", test.new, test.old, got, test.want)
		}
	}
}
