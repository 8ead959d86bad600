package config

import (
	"strings"
	"testing"
)

// problems returns the mistakes of a cluster after Default, a line each, "" if there are none.
func problems(c Cluster) string {
	if err := c.Default().Validate(); err != nil {
		return err.Error()
	}
	return ""
}

// args returns a cluster with one flag.
func args(component, flag, value string) Cluster {
	return Cluster{ExtraArgs: map[string]map[string]string{component: {flag: value}}}
}

// TestValidateArgs checks flags that a component would ignore, or with which the cluster would not
// come up. All messages start with extraArgs.COMPONENT.FLAG.
func TestValidateArgs(t *testing.T) {
	t.Parallel()
	const health = "cannot be set: mkube checks the health of the component at its own port"
	for flag, want := range map[string]string{
		"kubelet max-pods 42":                          "",
		"kubelet max-pods 0x2a":                        "",
		"kubelet max-pods many":                        `must be a whole number, not "many"`,
		"kubelet max-pod 42":                           `is not a flag of kubelet: did you mean "max-pods"?`,
		"kubelet something 42":                         "is not a flag of kubelet: remove it",
		"kubelet max_pods 42":                          `must be written with hyphens: "max-pods"`,
		"kubelet sync-frequency 10":                    `must be a duration such as "30s", not "10"`,
		"kubelet fail-swap-on maybe":                   `must be "true" or "false", not "maybe"`,
		"kubelet fail-swap-on True":                    "",
		"kubelet version true":                         "cannot be set: the program prints and exits",
		"kubelet config /x":                            "cannot be set: use kubeletConfigPatches, which change mkube's file",
		"kubelet config-dir /x":                        "cannot be set: use kubeletConfigPatches, which change mkube's file",
		"kubelet cloud-provider x":                     "cannot be set: the cloud-controller-manager of the cluster requires external: see cloudControllerManager",
		"kubelet hostname-override x":                  "cannot be set: it is the name of the node, see nodes[].name",
		"kubelet register-node false":                  "cannot be set: mkube waits until the node is registered",
		"kubelet register-node true":                   "",
		"kubelet rotate-server-certificates true":      "",
		"kubelet healthz-port 1":                       health,
		"etcd quota-backend-bytes 8":                   "",
		"etcd name x":                                  "cannot be set: mkube computes it from the control planes",
		"etcd listen-metrics-urls http://0.0.0.0:2381": "",
		"etcd listen-metrics-urls http://10.0.0.1:2381,http://127.0.0.1:2381":                          "",
		"etcd listen-metrics-urls http://10.0.0.1:2381":                                                "cannot be set: it must contain http://127.0.0.1:2381 or http://0.0.0.0:2381, because mkube checks the health there",
		"kube-apiserver secure-port 443":                                                               "cannot be set: clients in the cluster use port 6443; networking.apiServerPort is the port of the host",
		"kube-apiserver bind-address 127.0.0.1":                                                        "cannot be set: it must be 0.0.0.0 or ::, because the nodes use the node's address",
		"kube-apiserver bind-address ::":                                                               "",
		"kube-apiserver goaway-chance 0.01":                                                            "",
		"kube-apiserver goaway-chance often":                                                           `must be a number, not "often"`,
		"kube-apiserver admission-control NodeRestriction":                                             "", // deprecated, and not in --help
		"kube-controller-manager bind-address 0.0.0.0":                                                 "",
		"kube-controller-manager bind-address 10.0.0.1":                                                "cannot be set: it must be 127.0.0.1, 0.0.0.0 or ::, because mkube checks the health at 127.0.0.1",
		"kube-controller-manager cluster-cidr 10.0.0.0/8":                                              "cannot be set: mkube assigns each node its part of the pod network: set networking.podSubnet",
		"kube-controller-manager service-cluster-ip-range 10.0.0.0/8":                                  "cannot be set: set networking.serviceSubnet",
		"kube-controller-manager cluster-signing-kubelet-serving-cert-file /etc/kubernetes/pki/ca.crt": "cannot be set: it requires cluster-signing-kubelet-serving-key-file",
		"kube-scheduler bind-address ::":                                                               "",
		"kube-scheduler secure-port 1":                                                                 health,
		"kube-network-policies v 4":                                                                    "",
		"kube-network-policies healthz-bind-address :1":                                                health,
		"cloud-controller-manager concurrent-service-syncs 2":                                          "",
		"cloud-controller-manager bind-address 0.0.0.0":                                                "cannot be set: it has no effect without secure-port, which mkube sets to 0",
		"cloud-controller-manager health-address 0.0.0.0:10258":                                        "",
		"cloud-controller-manager health-address 127.0.0.1:1":                                          "cannot be set: it must be 127.0.0.1:10258, 0.0.0.0:10258 or [::]:10258, because mkube checks the health there",
		"coredns quiet true":                                                                           "",
		"coredns dns.port 54":                                                                          "cannot be set: CoreDNS ignores it, because mkube's Corefile has the port",
		"local-path-provisioner worker-threads 2":                                                      "",
		"local-path-provisioner worker-threads two":                                                    `must be a whole number, not "two"`,
		"metrics-server metric-resolution 15s":                                                         "has no effect: addons does not list it",
	} {
		fields := strings.SplitN(flag, " ", 3)
		got := problems(args(fields[0], fields[1], fields[2]))
		got = strings.TrimPrefix(got, "extraArgs."+fields[0])
		got = strings.TrimPrefix(strings.TrimPrefix(got, "."+fields[1]), `["`+fields[1]+`"]`)
		if got = strings.TrimPrefix(got, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", flag, got, want)
		}
	}
}

// TestValidateArgsOfOtherImages checks that the flags of another Kubernetes release are not known.
func TestValidateArgsOfOtherImages(t *testing.T) {
	t.Parallel()
	c := args("kubelet", "something", "1")
	c.Nodes = []Node{{Image: "mkube/node:v1.36.0", KubeletConfigPatches: []string{"something: 1"}}}
	if got := problems(c); got != "" {
		t.Error(got)
	}
	c.ExtraArgs["kubelet"]["root-dir"] = "/x"
	if got, want := problems(c), "extraArgs.kubelet.root-dir cannot be set: the kubelet's folder is /var/lib/kubelet"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// TestValidateExclusiveArgs checks flags that a component refuses together.
func TestValidateExclusiveArgs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		component string
		args      map[string]string
		want      string
	}{
		{"kube-apiserver", map[string]string{"authorization-config": "/x"}, ""},
		{"kube-apiserver", map[string]string{"authorization-config": "/x", "authorization-mode": "RBAC"}, "extraArgs.kube-apiserver.authorization-mode cannot be set: kube-apiserver refuses it together with authorization-config"},
		{"kube-apiserver", map[string]string{"authorization-config": "/x", "authorization-webhook-version": "v1"}, "extraArgs.kube-apiserver.authorization-webhook-version cannot be set: kube-apiserver refuses it together with authorization-config"},
		{"kube-apiserver", map[string]string{"service-account-signing-endpoint": "/x", "service-account-key-file": "/x"}, "extraArgs.kube-apiserver.service-account-key-file cannot be set: kube-apiserver refuses it together with service-account-signing-endpoint"},
		{"kube-apiserver", map[string]string{"admission-control": "A", "disable-admission-plugins": "B"}, "extraArgs.kube-apiserver.disable-admission-plugins cannot be set: kube-apiserver refuses it together with admission-control"},
		{"kube-controller-manager", map[string]string{"cluster-signing-legacy-unknown-cert-file": "/x", "cluster-signing-legacy-unknown-key-file": "/x"}, ""},
		{"kube-controller-manager", map[string]string{"cluster-signing-legacy-unknown-cert-file": "/x", "cluster-signing-legacy-unknown-key-file": "/x", "cluster-signing-cert-file": "/x", "cluster-signing-key-file": "/x"}, `extraArgs.kube-controller-manager.cluster-signing-cert-file cannot be set: kube-controller-manager refuses it together with cluster-signing-legacy-unknown-cert-file
extraArgs.kube-controller-manager.cluster-signing-key-file cannot be set: kube-controller-manager refuses it together with cluster-signing-legacy-unknown-cert-file`},
		{"kube-scheduler", map[string]string{"kube-api-qps": "7"}, ""},
		{"kube-scheduler", map[string]string{"config": "/y", "leader-elect": "true"}, `extraArgs.kube-scheduler.config names "/y", which the pod of kube-scheduler does not have: list the file in extraFiles.kube-scheduler, or mount it with extraMounts`},
		{"kube-scheduler", map[string]string{"config": "/x", "kube-api-qps": "7"}, "extraArgs.kube-scheduler.kube-api-qps cannot be set: kube-scheduler ignores it, because config is set: write it into that file"},
	} {
		c := Cluster{ExtraArgs: map[string]map[string]string{test.component: test.args}, ExtraFiles: map[string][]ExtraFile{test.component: {{HostPath: "x", Path: "/x"}}}}
		if got := problems(c); got != test.want {
			t.Errorf("%v:\n got %s\nwant %s", test.args, got, test.want)
		}
	}
}

// TestValidateFileArgs checks that a flag that names a file names one that the pod has.
func TestValidateFileArgs(t *testing.T) {
	t.Parallel()
	const policy = "audit-policy-file"
	missing := func(flag, path, on string) string {
		return "extraArgs.kube-apiserver." + flag + " names \"" + path + "\", which the pod of kube-apiserver does not have" + on + ": list the file in extraFiles.kube-apiserver, or mount it with extraMounts"
	}
	mounted := Node{ExtraMounts: []Mount{{HostPath: "/a", ContainerPath: "/etc/kubernetes/enc/"}}}
	for _, test := range []struct {
		flag, path string
		cluster    Cluster
		want       string
	}{
		{policy, "/etc/policy.yaml", Cluster{}, missing(policy, "/etc/policy.yaml", "")},
		{policy, "/etc/kubernetes/pki/ca.crt", Cluster{}, ""},
		{policy, "/etc/kubernetes/pki/policy.yaml", Cluster{}, missing(policy, "/etc/kubernetes/pki/policy.yaml", "")},
		{policy, "/etc/ssl/certs/x", Cluster{}, ""},
		{policy, "policy.yaml", Cluster{}, `extraArgs.kube-apiserver.audit-policy-file must be an absolute path in the pod of kube-apiserver, not "policy.yaml": extraFiles.kube-apiserver brings a file there`},
		{policy, "", Cluster{}, ""},
		{policy, "/x/y", Cluster{ExtraFiles: map[string][]ExtraFile{"kube-apiserver": {{HostPath: "a", Path: "/x/y"}}}}, ""},
		{policy, "/x/z", Cluster{ExtraFiles: map[string][]ExtraFile{"kube-apiserver": {{HostPath: "a", Path: "/x/y"}}}}, missing(policy, "/x/z", "")},
		{policy, "/x/z", Cluster{ExtraFiles: map[string][]ExtraFile{"kube-scheduler": {{HostPath: "a", Path: "/x/z"}}}}, missing(policy, "/x/z", "")},
		{policy, "/m/a/b", Cluster{ExtraVolumes: map[string][]ExtraVolume{"kube-apiserver": {{HostPath: "/n", MountPath: "/m"}}}}, ""},
		{policy, "/n/a", Cluster{ExtraVolumes: map[string][]ExtraVolume{"kube-apiserver": {{HostPath: "/n", MountPath: "/m"}}}}, missing(policy, "/n/a", "")},
		{policy, "/etc/kubernetes/enc/e.yaml", Cluster{Nodes: []Node{mounted}}, ""},
		{policy, "/etc/kubernetes/enc/e.yaml", Cluster{Nodes: []Node{mounted, {Role: Worker}}}, ""},
		{policy, "/etc/kubernetes/enc/e.yaml", Cluster{Nodes: []Node{mounted, {}, mounted}}, missing(policy, "/etc/kubernetes/enc/e.yaml", " on nodes[1]")},
		{policy, "/etc/kubernetes/encoded", Cluster{Nodes: []Node{mounted}}, missing(policy, "/etc/kubernetes/encoded", "")},
		{"audit-log-path", "/anywhere/audit.log", Cluster{}, ""},
		{"etcd-prefix", "/registry", Cluster{}, ""},
		{"runtime-config", "api/all=true", Cluster{}, ""},
		{"kubelet-certificate-authority", "/x/ca.crt", Cluster{}, missing("kubelet-certificate-authority", "/x/ca.crt", "")},
	} {
		test.cluster.ExtraArgs = map[string]map[string]string{"kube-apiserver": {test.flag: test.path}}
		if got := problems(test.cluster); got != test.want {
			t.Errorf("%s=%s:\n got %s\nwant %s", test.flag, test.path, got, test.want)
		}
	}
}

// TestValidateFileKinds checks the kinds of the files that flags name.
func TestValidateFileKinds(t *testing.T) {
	t.Parallel()
	const head = `extraArgs.kube-apiserver.audit-policy-file names "/a", which `
	for text, want := range map[string]string{
		"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n": "",
		"apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n":                    head + `cannot be used: line 1 ("apiVersion: audit.k8s.io/v1beta1"): apiVersion must be audit.k8s.io/v1`,
		"apiVersion: v1\nkind: Policy":                                        head + `cannot be used: line 1 ("apiVersion: v1"): apiVersion must be audit.k8s.io/v1`,
		"rules: []":                                                           head + `has no apiVersion or no kind: write "apiVersion: audit.k8s.io/v1" and "kind: Policy"`,
		"":                                                                    head + `has no apiVersion or no kind: write "apiVersion: audit.k8s.io/v1" and "kind: Policy"`,
		"a: b: c":                                                             head + "is not a YAML mapping: mapping values are not allowed in this context",
	} {
		c := withFlags("x", "audit-policy-file=/a")
		c.ExtraFiles["kube-apiserver"][0].Content = &text
		if got := problems(c); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestValidateAbsentComponents checks that settings of a component that the cluster does not have
// are refused.
func TestValidateAbsentComponents(t *testing.T) {
	t.Parallel()
	for component, test := range map[string]struct {
		cluster Cluster
		why     string
	}{
		"kube-proxy":               {Cluster{Networking: Networking{KubeProxyMode: ProxyNone}}, "networking.kubeProxyMode is none"},
		"cloud-controller-manager": {Cluster{CloudControllerManager: new(false)}, "cloudControllerManager is false"},
		"kube-network-policies":    {Cluster{Networking: Networking{DisableDefaultCNI: true}}, "networking.disableDefaultCNI is true"},
		"metrics-server":           {Cluster{}, "addons does not list it"},
	} {
		test.cluster.ExtraArgs = map[string]map[string]string{component: {"v": "4"}}
		if got, want := problems(test.cluster), "extraArgs."+component+" has no effect: "+test.why; got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	c := Cluster{
		Networking: Networking{KubeProxyMode: ProxyNone}, KubeProxyConfigPatches: []string{""},
		ExtraFiles:   map[string][]ExtraFile{"kube-proxy": {{HostPath: "a", Path: "/a"}}},
		ExtraVolumes: map[string][]ExtraVolume{"kube-proxy": {{HostPath: "/a", MountPath: "/b"}}},
	}
	const want = `extraFiles.kube-proxy has no effect: networking.kubeProxyMode is none
extraVolumes.kube-proxy has no effect: networking.kubeProxyMode is none
kubeProxyConfigPatches has no effect: networking.kubeProxyMode is none`
	if got := problems(c); got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	// Load does not know the flag --addon.
	if _, err := Load(strings.NewReader("apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nextraArgs: {metrics-server: {v: 2}}"), "mkube.yaml", ""); err != nil {
		t.Error(err)
	}
}
