// Package apiserver runs kube-apiserver.
package apiserver

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name = names.KubeAPIServer
	dir  = names.PKIDir
	// authentication is the file that defines which anonymous requests are allowed.
	authentication = "/etc/kubernetes/authentication.yaml"
	// auditPolicy is the file that selects the requests for the audit log, and auditDir is the
	// folder of that log. pkg/learn/inspect reads the log there.
	auditPolicy = "/etc/kubernetes/audit-policy.yaml"
	auditDir    = "/var/log/kubernetes/audit"
)

//go:embed manifest.yaml
var manifest string

//go:embed audit-policy.yaml
var auditPolicyConfig []byte

//go:embed lesson.md
var lesson string

// New returns the API server, with one instance on each control plane.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "the only access to the cluster's objects: authenticates, validates and stores",
			Lesson: lesson,
			Flags:  Flags,
			Ports:  []component.Port{{Number: names.APIServerPort, Protocol: "TCP", For: "all clients: kubectl, kubelets, controllers, the scheduler, pods"}},
			Effect: component.Effect{Claim: "an object can be stored and read back", Try: stores},
		},
		Content: component.Content{
			On:       component.ControlPlanes,
			Data:     []string{auditDir},
			Files:    files,
			Manifest: staticPod,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.Etcd, Until: component.UntilServing},
			},
			Serves: serves,
			Ready:  ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	authenticationConfig, err := authenticationFile(c)
	if err != nil {
		return nil, err
	}
	list := []provider.File{
		{Path: authentication, Data: authenticationConfig, Mode: 0o600},
		{Path: auditPolicy, Data: auditPolicyConfig, Mode: 0o600},
		{Path: dir + "/ca.crt", Data: c.PKI.Cluster.CertPEM()},
		{Path: dir + "/ca.key", Data: c.PKI.Cluster.KeyPEM(), Mode: 0o600},
		{Path: dir + "/front-proxy-ca.crt", Data: c.PKI.FrontProxy.CertPEM()},
		{Path: dir + "/front-proxy-ca.key", Data: c.PKI.FrontProxy.KeyPEM(), Mode: 0o600},
		{Path: dir + "/etcd/ca.crt", Data: c.PKI.Etcd.CertPEM()},
		{Path: dir + "/sa.key", Data: c.PKI.ServiceAccountKey, Mode: 0o600},
		{Path: dir + "/sa.pub", Data: c.PKI.ServiceAccountPub},
	}
	for _, request := range []struct {
		path string
		from *pki.Authority
		pki.Request
	}{
		{"apiserver", c.PKI.Cluster, pki.Request{CommonName: "kube-apiserver", DNSNames: certificateNames(c, n), IPs: addresses(c, n), Usage: pki.Server}},
		{"apiserver-kubelet-client", c.PKI.Cluster, pki.Request{CommonName: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}, Usage: pki.Client}},
		{"apiserver-etcd-client", c.PKI.Etcd, pki.Request{CommonName: "kube-apiserver-etcd-client", Usage: pki.Client}},
		{"front-proxy-client", c.PKI.FrontProxy, pki.Request{CommonName: "front-proxy-client", Usage: pki.Client}},
	} {
		pair, err := c.PKI.Issue(request.from, request.Request)
		if err != nil {
			return nil, err
		}
		list = append(list, component.Certificate(dir+"/"+request.path, pair)...)
	}
	// For users who run kubectl on the node.
	admin, err := component.Kubeconfig(c, n, "/etc/kubernetes/admin.conf", pki.Request{CommonName: "kubernetes-admin", Organizations: []string{"system:masters"}})
	return append(list, admin), err
}

// certificateNames returns the DNS names by which pods, nodes and the host connect to the API
// server.
func certificateNames(c *cluster.Cluster, n provider.Node) []string {
	list := []string{
		n.Name(), cluster.ServerName, "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + c.Config.Networking.DNSDomain,
	}
	if lb := c.LoadBalancer(); lb != nil {
		list = append(list, lb.Name())
	}
	hosts, _ := published(c)
	return append(list, hosts...)
}

func addresses(c *cluster.Cluster, n provider.Node) []netip.Addr {
	list := append([]netip.Addr{c.Config.Networking.APIServerServiceIP()}, n.IPs()...)
	if lb := c.LoadBalancer(); lb != nil {
		list = append(list, lb.IPs()...)
	}
	_, hosts := published(c)
	return append(list, hosts...)
}

// published returns the names and addresses at which the API server is reached from outside. If
// it is published on 0.0.0.0, the addresses contain 0.0.0.0, as in kind: on Linux, a connection
// to it reaches the host.
func published(c *cluster.Cluster) (names []string, addrs []netip.Addr) {
	for _, host := range c.Config.Networking.APIServerHosts() {
		if addr, err := netip.ParseAddr(host); err == nil {
			addrs = append(addrs, addr.Unmap())
		} else {
			names = append(names, host)
		}
	}
	return names, addrs
}

// Flags returns the flags of kube-apiserver. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "advertise-address", Value: n.IP().String(), Why: "The Service \"kubernetes\" forwards to this address."},
		{Name: "secure-port", Value: strconv.Itoa(names.APIServerPort), Why: "This is the only port. Since Kubernetes 1.20, there is none without TLS."},
		{Name: "allow-privileged", Value: "true", Why: "Pods of the system, such as kube-proxy, must be privileged."},
		{Name: "audit-policy-file", Value: auditPolicy, Why: "This file selects the requests that are logged: those that explain what happens to a pod."},
		{Name: "audit-log-path", Value: auditDir + "/audit.log", Why: "mkube trace reads this log."},
		{Name: "audit-log-maxage", Value: "30", Why: "The API server deletes an older file after this number of days."},
		{Name: "audit-log-maxsize", Value: "10", Why: "At this size in megabytes, the API server begins a new file."},
		{Name: "audit-log-maxbackup", Value: "2", Why: "The API server keeps this number of older files."},
		{Name: "authentication-config", Value: authentication, Why: "Anonymous requests are allowed for the health checks and for the discovery of the issuer only."},
		{Name: "authorization-mode", Value: "Node,RBAC", Why: "A kubelet can read what its own pods need. RBAC rules apply to all other clients."},
		{Name: "client-ca-file", Value: dir + "/ca.crt", Why: "A client certificate of this authority contains the user's name and groups."},
		{Name: "enable-admission-plugins", Value: "NodeRestriction", Why: "A kubelet can change only its own node and the pods on it."},
		{Name: "etcd-servers", Value: "https://127.0.0.1:2379", Why: "This is the etcd member on the same node."},
		{Name: "etcd-cafile", Value: dir + "/etcd/ca.crt", Why: "The certificate of etcd must come from this authority."},
		{Name: "etcd-certfile", Value: dir + "/apiserver-etcd-client.crt", Why: "etcd accepts only clients with a certificate of its own authority."},
		{Name: "etcd-keyfile", Value: dir + "/apiserver-etcd-client.key", Why: "This is the key of that certificate."},
		{Name: "kubelet-certificate-authority", Value: dir + "/ca.crt", Why: "Kubelets must prove their identity before the API server requests logs and exec from them."},
		{Name: "kubelet-client-certificate", Value: dir + "/apiserver-kubelet-client.crt", Why: "Kubelets authenticate the clients that request logs and exec."},
		{Name: "kubelet-client-key", Value: dir + "/apiserver-kubelet-client.key", Why: "This is the key of that certificate."},
		{Name: "kubelet-preferred-address-types", Value: "InternalIP,ExternalIP,Hostname", Why: "The API server connects to kubelets by address, because the name of a node may not resolve."},
		component.NoProfiling(),
		{Name: "proxy-client-cert-file", Value: dir + "/front-proxy-client.crt", Why: "The API server identifies itself to extension servers with this certificate when it forwards a request."},
		{Name: "proxy-client-key-file", Value: dir + "/front-proxy-client.key", Why: "This is the key of that certificate."},
		{Name: "requestheader-allowed-names", Value: "front-proxy-client", Why: "Only a client with this name may forward requests for other users."},
		{Name: "requestheader-client-ca-file", Value: dir + "/front-proxy-ca.crt", Why: "Front proxies have a separate authority, so that no certificate of a user can forward requests."},
		{Name: "requestheader-extra-headers-prefix", Value: "X-Remote-Extra-", Why: "This header has all other data of the user."},
		{Name: "requestheader-group-headers", Value: "X-Remote-Group", Why: "This header has the user's groups."},
		{Name: "requestheader-username-headers", Value: "X-Remote-User", Why: "This header has the user's name."},
		{Name: "service-account-issuer", Value: "https://kubernetes.default.svc." + c.Config.Networking.DNSDomain, Why: "The tokens of pods name this issuer."},
		{Name: "service-account-key-file", Value: dir + "/sa.pub", Why: "This key verifies those tokens."},
		{Name: "service-account-signing-key-file", Value: dir + "/sa.key", Why: "This key signs those tokens."},
		{Name: "service-cluster-ip-range", Value: c.Config.Networking.ServiceSubnet, Why: "Services get addresses from this range."},
		{Name: "tls-cert-file", Value: dir + "/apiserver.crt", Why: "This certificate is valid for every name and address of the API server."},
		{Name: "tls-private-key-file", Value: dir + "/apiserver.key", Why: "This is the key of that certificate."},
		{Name: "tls-cipher-suites", Value: strings.Join(component.CipherSuites(), ","), Why: "Clients with TLS 1.2 can use only these cipher suites, which are strong. All those of TLS 1.3 are."},
	}
	if len(c.Config.RuntimeConfig) > 0 {
		flags = append(flags, component.Flag{Name: "runtime-config", Value: runtimeConfig(c.Config.RuntimeConfig), Why: "The cluster's configuration enables and disables these API versions.", Joined: true})
	}
	flags = append(flags, component.FeatureGates(c.Config)...)
	return component.Without(c.Config, name, flags, excluded)
}

// excluded are flags of mkube that kube-apiserver refuses together with a flag of the user's. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/.
var excluded = map[string][]string{
	"authorization-config":             {"authorization-mode"},
	"service-account-signing-endpoint": {"service-account-key-file", "service-account-signing-key-file"},
	"admission-control":                {"enable-admission-plugins"},
}

func runtimeConfig(m map[string]string) string {
	var list []string
	for key, value := range m {
		list = append(list, key+"="+value)
	}
	sort.Strings(list)
	return strings.Join(list, ",")
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	cfg := component.WithArgs(c.Config, name, func(flag string) bool { return !config.AuthenticationFlag(flag) })
	return component.StaticPod(c, n, name, manifest, map[string]any{
		"Image":          component.Registry + name + ":" + n.Versions().Kubernetes,
		"Command":        append([]string{name}, component.Args(cfg, name, Flags(c, n))...),
		"Host":           n.IP().String(),
		"Authentication": authentication, "AuditPolicy": auditPolicy, "AuditDir": auditDir,
	})
}

// ready checks the first server as a client on the host does, through the load balancer if there
// is one. It checks each further server on its node.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if n.Name() == c.ControlPlanes()[0].Name() {
		return c.API.Check(ctx, "/readyz?verbose")
	}
	return Answers(ctx, n)
}

// Answers returns nil if the API server on a node answers at the node's address, with a certificate
// for it. In a cluster with several API servers, the other ones do not count.
func Answers(ctx context.Context, n provider.Node) error {
	url := "https://" + netip.AddrPortFrom(n.IP(), names.APIServerPort).String() + "/readyz"
	_, err := provider.Output(ctx, n, "curl", "--silent", "--show-error", "--fail", "--max-time", "5", "--cacert", dir+"/ca.crt", url)
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%s on %s: %s", url, n.Name(), exit.Reason())
	}
	return err
}

// serves returns nil when the API server answers, and the roles of the components that start
// next exist. It checks only the first server: the servers share their objects.
func serves(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if n.Name() != c.ControlPlanes()[0].Name() {
		return nil
	}
	if err := c.API.Check(ctx, "/version"); err != nil {
		return err
	}
	return createRoles(ctx, c, n)
}
