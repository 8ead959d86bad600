// Package apiserver is the cluster's front door.
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
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name = names.KubeAPIServer
	dir  = names.PKIDir
	// authentication is the file that says who may come without a name.
	authentication = "/etc/kubernetes/authentication.yaml"
	// auditPolicy is the file that says what the audit log has, auditDir where that is:
	// pkg/inspect reads it there.
	auditPolicy = "/etc/kubernetes/audit-policy.yaml"
	auditDir    = "/var/log/kubernetes/audit"
)

//go:embed manifest.yaml
var manifest string

//go:embed authentication.yaml
var authenticationConfig []byte

//go:embed audit-policy.yaml
var auditPolicyConfig []byte

//go:embed lesson.md
var lesson string

// New is the API server, one on each control plane.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "the single point of contact: checks, admits and stores every object",
			Lesson: lesson,
			Flags:  Flags,
			Ports:  []component.Port{{Number: names.APIServerPort, Protocol: "TCP", For: "everybody: kubectl, kubelets, controllers, the scheduler, pods"}},
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
	// For whoever runs kubectl on the node.
	admin, err := component.Kubeconfig(c, n, "/etc/kubernetes/admin.conf", pki.Request{CommonName: "kubernetes-admin", Organizations: []string{"system:masters"}})
	return append(list, admin), err
}

// certificateNames are those by which pods, nodes and the host call the API server.
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

// published are the names and addresses by which the API server is reached from outside.
// Like kind's, they have 0.0.0.0 if it is published there: on Linux that leads to the
// host itself.
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

// Flags are kube-apiserver's, see
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "advertise-address", Value: n.IP().String(), Why: "What the Service \"kubernetes\" leads to."},
		{Name: "secure-port", Value: strconv.Itoa(names.APIServerPort), Why: "The only port: since Kubernetes 1.20 there is none without TLS."},
		{Name: "allow-privileged", Value: "true", Why: "Pods of the system, such as kube-proxy, need it."},
		{Name: "audit-policy-file", Value: auditPolicy, Why: "Which requests are written down: those that a pod's story is made of."},
		{Name: "audit-log-path", Value: auditDir + "/audit.log", Why: "Where; mkube trace reads it."},
		{Name: "audit-log-maxsize", Value: "10", Why: "In megabytes: then a new file is begun."},
		{Name: "audit-log-maxbackup", Value: "2", Why: "How many older files are kept."},
		{Name: "authentication-config", Value: authentication, Why: "Requests without a name are let in to the health checks and nowhere else."},
		{Name: "authorization-mode", Value: "Node,RBAC", Why: "A kubelet may see what its own pods need; all others what RBAC rules say."},
		{Name: "client-ca-file", Value: dir + "/ca.crt", Why: "A client certificate of this authority is a name and its groups."},
		{Name: "enable-admission-plugins", Value: "NodeRestriction", Why: "A kubelet may change only its own node and the pods on it."},
		{Name: "etcd-servers", Value: "https://127.0.0.1:2379", Why: "The member of the same node."},
		{Name: "etcd-cafile", Value: dir + "/etcd/ca.crt", Why: "The authority that etcd's certificate must come from."},
		{Name: "etcd-certfile", Value: dir + "/apiserver-etcd-client.crt", Why: "etcd lets in nobody else."},
		{Name: "etcd-keyfile", Value: dir + "/apiserver-etcd-client.key", Why: "The key of that certificate."},
		{Name: "kubelet-certificate-authority", Value: dir + "/ca.crt", Why: "Logs and exec go to a kubelet that proves who it is."},
		{Name: "kubelet-client-certificate", Value: dir + "/apiserver-kubelet-client.crt", Why: "The kubelets ask who wants to read logs."},
		{Name: "kubelet-client-key", Value: dir + "/apiserver-kubelet-client.key", Why: "The key of that certificate."},
		{Name: "kubelet-preferred-address-types", Value: "InternalIP,ExternalIP,Hostname", Why: "Kubelets are called by address: a node's name may not resolve."},
		{Name: "proxy-client-cert-file", Value: dir + "/front-proxy-client.crt", Why: "Who passes a request on to an extension server signs it so."},
		{Name: "proxy-client-key-file", Value: dir + "/front-proxy-client.key", Why: "The key of that certificate."},
		{Name: "requestheader-allowed-names", Value: "front-proxy-client", Why: "The only name that may say whom it speaks for."},
		{Name: "requestheader-client-ca-file", Value: dir + "/front-proxy-ca.crt", Why: "An authority of its own: no user's certificate may do that."},
		{Name: "requestheader-extra-headers-prefix", Value: "X-Remote-Extra-", Why: "The header for all else that is known of the user."},
		{Name: "requestheader-group-headers", Value: "X-Remote-Group", Why: "The header for the user's groups."},
		{Name: "requestheader-username-headers", Value: "X-Remote-User", Why: "The header for the user's name."},
		{Name: "service-account-issuer", Value: "https://kubernetes.default.svc." + c.Config.Networking.DNSDomain, Why: "Who the tokens of pods say they are from."},
		{Name: "service-account-key-file", Value: dir + "/sa.pub", Why: "What checks those tokens."},
		{Name: "service-account-signing-key-file", Value: dir + "/sa.key", Why: "What signs them."},
		{Name: "service-cluster-ip-range", Value: c.Config.Networking.ServiceSubnet, Why: "The addresses that Services get."},
		{Name: "tls-cert-file", Value: dir + "/apiserver.crt", Why: "The server proves who it is by every name that it is called by."},
		{Name: "tls-private-key-file", Value: dir + "/apiserver.key", Why: "The key of that certificate."},
	}
	if len(c.Config.RuntimeConfig) > 0 {
		flags = append(flags, component.Flag{Name: "runtime-config", Value: runtimeConfig(c.Config.RuntimeConfig), Why: "The API versions that the configuration switches on and off."})
	}
	return append(flags, component.FeatureGates(c.Config)...)
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
	return component.StaticPod(name, manifest, map[string]any{
		"Image":   component.Registry + name + ":" + n.Versions().Kubernetes,
		"Command": append([]string{name}, component.Args(c.Config, name, Flags(c, n))...),
		"Host":    n.IP().String(),
		"PKIDir":  dir, "Authentication": authentication,
		"AuditPolicy": auditPolicy, "AuditDir": auditDir,
	})
}

// ready asks the first server as the host does, through the load balancer if there
// is one, and each further one on its node.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if n.Name() == c.ControlPlanes()[0].Name() {
		return c.API.Check(ctx, "/readyz?verbose")
	}
	url := "https://" + netip.AddrPortFrom(n.IP(), names.APIServerPort).String() + "/readyz"
	_, err := provider.Output(ctx, n, "curl", "--silent", "--show-error", "--fail", "--max-time", "5", "--cacert", dir+"/ca.crt", url)
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%s on %s: %s", url, n.Name(), exit.Reason())
	}
	return err
}

// serves wants an answer of any use, and the roles of the components that come next.
// One server's are all servers'.
func serves(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if n.Name() != c.ControlPlanes()[0].Name() {
		return nil
	}
	if err := c.API.Check(ctx, "/version"); err != nil {
		return err
	}
	return createRoles(ctx, c, n)
}
