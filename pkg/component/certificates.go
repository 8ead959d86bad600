package component

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// certificates returns the certificates in a PEM file or in a kubeconfig, also those of authorities.
// It returns none for any other file.
func certificates(data []byte) []pki.Certificate {
	list, err := pki.ParseCertificates(data)
	if err == nil {
		return list
	}
	embedded, users, err := kubeconfig.Embedded(data)
	if err != nil {
		return nil
	}
	for _, u := range users {
		embedded = append(embedded, u.Cert)
	}
	for _, data := range embedded {
		certs, err := pki.ParseCertificates(data)
		if err == nil {
			list = append(list, certs...)
		}
	}
	return list
}

// encodedCertificate is the beginning of a certificate in a field of an object that contains bytes.
var encodedCertificate = []byte(base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----")))

// dated are the parts of components on a node that depend on certificates.
type dated struct {
	// files contain the certificates, and the keys next to them. They are sorted by path.
	files []provider.File
	// units and pods are the units and the static pods of these components.
	units, pods []string
}

// dated returns what depends on certificates on a node. A file has the certificates that c.PKI
// issues now.
func (g Graph) dated(c *cluster.Cluster, n provider.Node) (dated, error) {
	var d dated
	files := map[string]provider.File{}
	for _, comp := range g.On(c, n) {
		own, err := comp.certified(c, n)
		if err != nil {
			return d, fmt.Errorf("rendering the certificates of %s: %w", comp.Name, err)
		}
		maps.Copy(files, own)
		switch {
		case len(own) == 0:
		case comp.Unit == "":
			d.pods = append(d.pods, comp.Name)
		case !slices.Contains(d.units, comp.Unit):
			d.units = append(d.units, comp.Unit)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		d.files = append(d.files, files[path])
	}
	return d, nil
}

// certified returns the files of a component with certificates, and with their keys, by path.
func (c Component) certified(cl *cluster.Cluster, n provider.Node) (map[string]provider.File, error) {
	files, err := c.RenderFiles(cl, n)
	if err != nil {
		return nil, err
	}
	if c.Manifest != nil { // the manifest of a unit may be its kubeconfig
		manifest, err := c.Manifest(cl, n)
		if err != nil {
			return nil, err
		}
		files = append(files, manifest)
	}
	own := map[string]provider.File{}
	for _, f := range files {
		if len(certificates(f.Data)) > 0 {
			own[f.Path] = f
		}
	}
	for _, f := range files {
		base, isKey := strings.CutSuffix(f.Path, ".key")
		if _, certified := own[base+".crt"]; isKey && certified {
			own[f.Path] = f
		}
	}
	return own, nil
}

// Validity returns the time in which all certificates of the components are valid, from their files
// on the nodes. It runs one command on each node. It skips files that do not exist. If some nodes
// cannot be read, the result is that of the others, and the error names those nodes.
func (g Graph) Validity(ctx context.Context, c *cluster.Cluster) (pki.Validity, error) {
	nodes := c.KubernetesNodes()
	found, errs := make([][]pki.Certificate, len(nodes)), make([]error, len(nodes))
	var wait sync.WaitGroup
	for i, n := range nodes {
		wait.Go(func() { found[i], errs[i] = g.certificatesOn(ctx, c, n) })
	}
	wait.Wait()
	var v pki.Validity
	for _, cert := range slices.Concat(found...) {
		v = v.And(cert.Validity())
	}
	return v, errors.Join(errs...)
}

// certificatesOn reads the certificates of the components from a node.
func (g Graph) certificatesOn(ctx context.Context, c *cluster.Cluster, n provider.Node) ([]pki.Certificate, error) {
	d, err := g.dated(c, n)
	if err != nil || len(d.files) == 0 {
		return nil, err
	}
	args := []string{"tar", "-C", "/", "--ignore-failed-read", "-cf", "-"}
	for _, f := range d.files {
		args = append(args, strings.TrimPrefix(f.Path, "/"))
	}
	files, err := provider.Archived(ctx, n, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of %s: %w", n.Name(), err)
	}
	var list []pki.Certificate
	for _, data := range files {
		list = append(list, certificates(data)...)
	}
	return list, nil
}

// renewing replaces files by those of the archive in its input. $1 is a list of static pods and $2
// one of units. Then it ends the containers of the static pods and restarts the units, because most
// programs read their certificates only when they start. It stops the kubelet first, which would
// start containers with some of the files. The kubelet starts again also after an error. It then
// starts the containers at once, even those that have crashed before.
const renewing = `set -e
trap 'systemctl start kubelet' EXIT
trap 'exit 1' HUP INT TERM
systemctl stop kubelet
tar -C / --no-overwrite-dir -xf -
ids=$(for pod in $1; do crictl ps --quiet --name "^$pod\$" || exit; done)
printf '%s' "$ids" | xargs --no-run-if-empty --max-procs 8 --max-args 1 crictl --timeout 30s stop --timeout 5 >/dev/null
systemctl restart $2`

// Renew replaces the certificates of the components on a node by new ones that c.PKI issues, and
// restarts what uses them. It does not wait until the components are ready. containerd must run.
func (g Graph) Renew(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	d, err := g.dated(c, n)
	if err != nil || len(d.files) == 0 {
		return err
	}
	var archive bytes.Buffer
	if err := provider.Archive(&archive, d.files); err != nil {
		return err
	}
	cmd := provider.Cmd{Args: []string{"sh", "-c", renewing, "sh", strings.Join(d.pods, " "), strings.Join(d.units, " ")}, Stdin: &archive}
	if err := n.Run(ctx, cmd); err != nil {
		return fmt.Errorf("renewing the certificates of %s: %w", n.Name(), err)
	}
	return nil
}
