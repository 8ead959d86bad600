//go:build e2e

package e2e

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestAClusterIsSeenThrough runs the commands that inspect a cluster on one cluster. It breaks the
// certificates last.
func TestAClusterIsSeenThrough(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-inspect", "")
	image := c.kubectl(t, "get", "deployment", "coredns", "-n", "kube-system", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	c.kubectl(t, "create", "deployment", "web", "--image="+image)
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	pod := strings.TrimPrefix(strings.TrimSpace(c.kubectl(t, "get", "pods", "-l", "app=web", "-o", "name")), "pod/")
	c.owners(t, pod)
	c.traces(t, pod)
	c.stored(t, pod)
	c.watched(t)
	c.certificates(t)
}

func (c cluster) owners(t *testing.T, pod string) {
	t.Helper()
	tree := mkube(t, "tree", "deploy/web", "--name", c.name)
	if !regexp.MustCompile(`^Deployment/web 1/1\n└── ReplicaSet/web-\S+ 1/1\n    └── Pod/` + pod + ` Running Ready\n$`).MatchString(tree) {
		t.Errorf("the tree of the Deployment is\n%s", tree)
	}
	eventually(t, "the node owns its static pods", func() (bool, string) {
		tree := mkube(t, "tree", "node/"+c.name+"-control-plane", "--name", c.name)
		return strings.Contains(tree, "Pod/etcd-"+c.name+"-control-plane (kube-system) Running"), tree
	})
	try(t, "", "tree", "deploymnt/web", "--name", c.name).wants(t, 1, `did you mean "deployment"?`)
	try(t, "", "tree", "deployment/wbe", "--name", c.name).wants(t, 1, `did you mean "web"?`)
}

// traces checks all steps of a pod that runs, in order, and the first steps of a pod that cannot
// run.
func (c cluster) traces(t *testing.T, pod string) {
	t.Helper()
	story := []string{
		`kubectl as kubernetes-admin +created Deployment/web +audit`,
		`deployment-controller +created ReplicaSet/web-\S+ +audit`,
		`replicaset-controller +created Pod/` + pod + ` +audit`,
		`kube-scheduler +bound it to \S+ +audit`,
		`kubelet on \S+ +saw the pod +containerd`,
		`containerd on \S+ +made the pod's sandbox, with the address \S+ +containerd`,
		`containerd on \S+ +started the container coredns +containerd`,
		`kubelet on \S+ +reported the pod Running and Ready +audit`,
	}
	trace := mkube(t, "trace", "pod", pod, "--name", c.name)
	if !regexp.MustCompile(`(?s)` + strings.Join(story, `\n.*`)).MatchString(trace) {
		t.Errorf("the pod's story is\n%s", trace)
	}
	c.kubectl(t, "run", "lost", "--image=none", `--overrides={"spec":{"nodeSelector":{"no":"where"}}}`)
	eventually(t, "the trace says what keeps a pod from a node", func() (bool, string) {
		trace := mkube(t, "trace", "pod", "lost", "--name", c.name)
		return strings.Contains(trace, "Next: kube-scheduler binds the pod to a node; it does not yet because: 0/1 nodes are available"), trace
	})
}

// stored checks that objects in etcd are decoded: Kubernetes' own and custom ones.
func (c cluster) stored(t *testing.T, pod string) {
	t.Helper()
	c.apply(t, manifest(t, "crd.yaml"), "apply", "-f", "-")
	eventually(t, "a custom resource is stored", func() (bool, string) {
		r := try(t, "apiVersion: e2e.mkube.dev/v1\nkind: Lesson\nmetadata: {name: first, namespace: default}\nspec: {title: etcd}\n", "kubectl", "--name", c.name, "--", "apply", "-f", "-")
		return r.code == 0, r.String()
	})
	c.kubectl(t, "create", "secret", "generic", "password", "--from-literal=word=sesame")
	for key, want := range map[string]string{
		"pods/default/" + pod:                              "\nkind: Pod\n",
		"/registry/secrets/default/password":               "\n  word: c2VzYW1l\n",
		"/registry/e2e.mkube.dev/lessons/default/first":    "\n  title: etcd\n",
		"/registry/apiregistration.k8s.io/apiservices/v1.": "\nkind: APIService\n",
	} {
		if text := mkube(t, "etcd", "get", key, "--name", c.name); !strings.Contains(text, want) {
			t.Errorf("%s is stored as\n%s", key, text)
		}
	}
	if raw := mkube(t, "etcd", "get", "secrets/default/password", "-o", "raw", "--name", c.name); !strings.HasPrefix(raw, "k8s\x00") || !strings.Contains(raw, "sesame") {
		t.Errorf("the Secret's bytes are %q", raw)
	}
	if keys := mkube(t, "etcd", "ls", "pods/default/", "--name", c.name); keys != "/registry/pods/default/lost\n/registry/pods/default/"+pod+"\n" {
		t.Errorf("the keys of pods are\n%s", keys)
	}
	try(t, "", "etcd", "get", "pods/default", "--name", c.name).wants(t, 1, "there is no key /registry/pods/default, but 2 that begin so")
}

// watched checks that a change is shown, and that Ctrl-C leaves nothing behind on the node.
func (c cluster) watched(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), *mkubePath, "etcd", "watch", "configmaps/default/", "--name", c.name)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || !strings.HasPrefix(line, "Watching /registry/configmaps/default/ from revision ") {
		t.Errorf("it says %q, %v", line, err)
	}
	c.kubectl(t, "create", "configmap", "news", "--from-literal=day=today")
	seen, want := "", "\n  day: today\n"
	for reader := bufio.NewReader(stdout); !strings.Contains(seen, want); {
		line, err := reader.ReadString('\n')
		if err != nil {
			t.Fatalf("it ends with %v after\n%s", err, seen)
		}
		seen += line
	}
	if !strings.Contains(seen, "---\n# PUT /registry/configmaps/default/news, revision ") {
		t.Errorf("it shows\n%s", seen)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout) // Wait reports how it ended
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("interrupted, it ends with %v", err)
	}
	eventually(t, "nothing of it is left in the node", func() (bool, string) {
		r := c.sh(t, "grep -l 'mkube-etc[d]' /proc/[0-9]*/cmdline")
		return r.stdout == "", r.String()
	})
}

// certificates checks the tree of a healthy cluster, and the warnings about a cluster whose API
// server is down because of a certificate.
func (c cluster) certificates(t *testing.T) {
	t.Helper()
	r := try(t, "", "pki", "--name", c.name)
	if r.code != 0 || r.stderr != "" || strings.Contains(r.stdout, "WARNING") || !regexp.MustCompile(`(?s)^kubernetes   authority, expires in 10 years .*── kube-apiserver   server, expires in 36[45] days`).MatchString(r.stdout) {
		t.Errorf("the certificates are: %s", r)
	}
	if strings.Contains(r.stdout, "PRIVATE") {
		t.Error("a private key is shown")
	}
	if r := c.sh(t, "cd /etc/kubernetes && mv manifests/kube-apiserver.yaml . && cp pki/front-proxy-client.crt pki/apiserver.crt"); r.code != 0 {
		t.Fatal(r)
	}
	eventually(t, "the API server is down", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "version")
		return r.code != 0, r.String()
	})
	r = try(t, "", "pki", "--name", c.name)
	for _, want := range []string{
		"WARNING: /etc/kubernetes/pki/apiserver.crt on " + c.name + "-control-plane: the private key belongs to another certificate",
		"WARNING: /etc/kubernetes/pki/apiserver.crt must be a certificate for a server, and is for: client",
	} {
		// A long line is wrapped.
		if r.code != 0 || !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), want) {
			t.Errorf("it does not say %s: %s", want, r)
		}
	}
}
