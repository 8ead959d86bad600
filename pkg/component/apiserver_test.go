package component_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/apiserver"
	"github.com/mkube/mkube/pkg/config"
)

func TestAPIServerGolden(t *testing.T) {
	t.Parallel()
	extra := func(args map[string]string) config.Cluster {
		return config.Cluster{ExtraArgs: map[string]map[string]string{"kube-apiserver": args}}
	}
	componenttest.Golden(t, apiserver.New(),
		componenttest.Variant{Name: "extra-args", Config: extra(map[string]string{
			"v": "4", "authorization-mode": "AlwaysAllow", "audit-log-path": "-",
		})},
		componenttest.Variant{Name: "feature-gates", Config: config.Cluster{
			FeatureGates: map[string]bool{"Zebra": true, "Ant": false},
			ExtraArgs:    map[string]map[string]string{"kube-apiserver": {"feature-gates": "Bee=true"}},
		}},
		componenttest.Variant{Name: "runtime-config", Config: config.Cluster{RuntimeConfig: map[string]string{"api/beta": "false", "api/alpha": "true"}}},
		componenttest.Variant{Name: "oidc", Config: extra(map[string]string{
			"oidc-issuer-url": "https://issuer.example.com", "oidc-client-id": "kubernetes", "oidc-groups-claim": "groups", "v": "4",
		})},
		componenttest.Variant{Name: "authorization-config", Config: extra(map[string]string{
			"authorization-config": "/etc/kubernetes/extra/authorization.yaml", "service-account-signing-endpoint": "/run/signer.sock",
			"admission-control": "NodeRestriction",
		})},
		componenttest.Variant{Name: "extra-files", Config: config.Cluster{
			ExtraFiles: map[string][]config.ExtraFile{"kube-apiserver": {{Content: new("kind: Policy\n"), Path: "/etc/kubernetes/extra/audit.yaml"}}},
			ExtraVolumes: map[string][]config.ExtraVolume{"kube-apiserver": {
				{Name: "kms", HostPath: "/run/kms", MountPath: "/run/kms", PathType: "DirectoryOrCreate"},
				{HostPath: "/opt/data", MountPath: "/data", ReadOnly: true},
			}},
			Nodes: []config.Node{{ExtraMounts: []config.Mount{
				{HostPath: "/a", ContainerPath: "/etc/kubernetes/enc", ReadOnly: true}, {HostPath: "/b", ContainerPath: "/var/log/audit"},
				{HostPath: "/c", ContainerPath: "/etc/kubernetes/other"},
			}}},
			ExtraArgs: map[string]map[string]string{"kube-apiserver": {
				"encryption-provider-config": "/etc/kubernetes/enc/enc.yaml", "audit-log-path": "/var/log/audit/audit.log",
				"audit-policy-file": "/etc/kubernetes/extra/audit.yaml",
			}},
		}},
		componenttest.Variant{Name: "networking", Config: config.Cluster{Networking: config.Networking{
			APIServerAddress: "192.0.2.7", ServiceSubnet: "fd00:10::/108", PodSubnet: "fd00:20::/56", DNSDomain: "corp.example",
		}}},
		componenttest.Variant{Name: "second-node", Node: 1, Config: config.Cluster{Name: "two", Nodes: []config.Node{{Role: config.Worker}, {}}}},
	)
}

func TestAPIServerStaticPod(t *testing.T) {
	t.Parallel()
	componenttest.StaticPod(t, apiserver.New())
}

func TestAPIServerDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, apiserver.New())
}

// TestAPIServerPublishedAddresses checks that every certificate contains the address at which
// the server is published, and all names in the configuration.
func TestAPIServerPublishedAddresses(t *testing.T) {
	t.Parallel()
	const common = "10.96.0.1, 10.89.0.2, 127.0.0.1, ::1"
	for address, want := range map[string]string{
		"":            common,
		"0.0.0.0":     common + ", 0.0.0.0",
		"::":          common + ", ::",
		"127.0.0.1":   common,
		"192.0.2.7":   common + ", 192.0.2.7",
		"2001:db8::7": common + ", 2001:db8::7",
	} {
		if got := certified(t, "IP", config.Networking{APIServerAddress: address}); got != want {
			t.Errorf("published at %q, the certificate is for %s; want %s", address, got, want)
		}
	}
	more := config.Networking{APIServerAddress: "0.0.0.0", APIServerCertSANs: []string{"192.0.2.8", "api.example.com", "*.example.org"}}
	if got, want := certified(t, "IP", more), common+", 0.0.0.0, 192.0.2.8"; got != want {
		t.Errorf("the certificate is for the addresses %s; want %s", got, want)
	}
	if got, want := certified(t, "DNS", more), ", localhost, api.example.com, *.example.org"; !strings.HasSuffix(got, want) {
		t.Errorf("the certificate is for the names %s; want them to end with %s", got, want)
	}
}

// certified returns a field of the API server's certificate.
func certified(t *testing.T, field string, n config.Networking) string {
	t.Helper()
	cl := componenttest.Cluster(t, config.Cluster{Networking: n})
	list, err := apiserver.New().Files(cl, cl.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	return componenttest.Field(t, list, "/etc/kubernetes/pki/apiserver.crt", field)
}

func TestAPIServerReady(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	ready := func() string {
		return componenttest.Message(apiserver.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0]))
	}
	if got := ready(); got != "" {
		t.Errorf("Ready = %s", got)
	}
	api.Handle("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("verbose") {
			t.Error("/readyz is not asked to be verbose")
		}
		w.WriteHeader(http.StatusInternalServerError)
		w.Write([]byte("[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"))
	})
	if got, want := ready(), "/readyz?verbose answers 500: not yet etcd"; got != want {
		t.Errorf("Ready = %s; want %s", got, want)
	}
}

func TestAPIServerRoles(t *testing.T) {
	t.Parallel()
	rules, err := apiserver.Roles([]byte(`{"kind":"ClusterRole","metadata":{"name":"admin"}}
{"kind":"ClusterRole","metadata":{"name":"system:kube-scheduler"}}
{"kind":"ClusterRoleBinding","metadata":{"name":"system:kube-scheduler"}}
{"kind":"Role","metadata":{"name":"system:kube-scheduler","namespace":"kube-system"}}
{"kind":"ClusterRole","metadata":{"name":"system:node-proxier"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rule := range rules {
		got = append(got, rule.GetKind()+" "+rule.GetName())
	}
	// Roles of the components that start next come first. Roles in a namespace are left to the
	// server.
	want := "ClusterRole system:kube-scheduler, ClusterRoleBinding system:kube-scheduler, ClusterRole system:node-proxier, ClusterRole admin"
	if strings.Join(got, ", ") != want {
		t.Errorf("Roles = %s; want %s", strings.Join(got, ", "), want)
	}
}

func TestAPIServerRolesNonsense(t *testing.T) {
	t.Parallel()
	if _, err := apiserver.Roles([]byte("{\"kind\":\n")); err == nil {
		t.Error("Roles took half an object")
	}
	if rules, err := apiserver.Roles(nil); err != nil || len(rules) != 0 {
		t.Errorf("Roles of nothing = %v, %v", rules, err)
	}
}
