package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// API is the cluster's API server, seen from the host by an administrator. The
// connection is made when it is first needed. A change that the server cannot make at the
// moment, as when it restarts, is tried again for up to 20 seconds.
type API struct {
	// Script is what is called in place of every change, with the arguments and the input of a
	// kubectl that makes it. Nil means to make it.
	Script func(ctx context.Context, args []string, input []byte) error

	cluster *Cluster
	mu      sync.Mutex
	config  *rest.Config
	http    *http.Client
	dynamic dynamic.Interface
}

// Kinds of objects that mkube works with.
var (
	Nodes           = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Deployments     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	ReplicaSets     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	ConfigMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	Services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	Claims          = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	ServiceAccounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
)

// connect finds the server. A failure is not kept: the next call tries again.
func (a *API) connect(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dynamic != nil {
		return nil
	}
	server, err := a.cluster.ExternalServer(ctx)
	if err != nil {
		return err
	}
	admin, err := a.cluster.PKI.Admin()
	if err != nil {
		return err
	}
	config := &rest.Config{
		Host: server.URL, QPS: -1, UserAgent: "mkube",
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: server.TLSServerName,
			CAData:     a.cluster.PKI.Cluster.CertPEM(), CertData: admin.Cert, KeyData: admin.Key,
		},
	}
	client, err := httpClient(config)
	if err != nil {
		return err
	}
	dyn, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return err
	}
	a.config, a.http, a.dynamic = config, client, dyn
	return nil
}

// handshakeLimit is how long a server may take for a TLS handshake. client-go's own 10 s are
// too few for an emulated processor that also starts a node. Who waits for less says so by
// a context.
const handshakeLimit = time.Minute

// httpClient is client-go's, but for that limit, which a rest.Config has no field for.
func httpClient(config *rest.Config) (*http.Client, error) {
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport := utilnet.SetTransportDefaults(&http.Transport{TLSClientConfig: tls, TLSHandshakeTimeout: handshakeLimit})
	wrapped, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: retrying{wrapped}}, nil
}

// Resource is the objects of a kind, in all namespaces.
func (a *API) Resource(ctx context.Context, kind schema.GroupVersionResource) (dynamic.NamespaceableResourceInterface, error) {
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	return a.dynamic.Resource(kind), nil
}

// Get is one object; a namespace of "" is for what is in none.
func (a *API) Get(ctx context.Context, kind schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return nil, err
	}
	return client.Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}

// Check asks a health endpoint, such as /readyz. A failing answer is an error that
// names the failing checks.
func (a *API) Check(ctx context.Context, path string) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.config.Host+path, nil)
	if err != nil {
		return err
	}
	response, err := a.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", path, unwrapURL(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d%s", path, response.StatusCode, failing(string(body)))
	}
	return nil
}

// failing are the checks that a health endpoint's verbose answer marks by [-].
func failing(body string) string {
	var names []string
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, "[-]"); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": not yet " + strings.Join(names, ", ")
}

// unwrapURL takes the URL away from a client's error: the path says enough.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// Apply creates the objects of a multi-document YAML manifest, see Create.
func (a *API) Apply(ctx context.Context, manifest []byte) error {
	if a.Script != nil {
		return a.Script(ctx, []string{"apply", "-f", "-"}, manifest)
	}
	objects, err := documents(manifest)
	if err != nil {
		return err
	}
	return a.Create(ctx, objects)
}

// documents reads a multi-document YAML manifest.
func documents(manifest []byte) ([]unstructured.Unstructured, error) {
	var objects []unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); err == io.EOF {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Object reads the one object of a YAML manifest.
func Object(manifest []byte) (*unstructured.Unstructured, error) {
	objects, err := documents(manifest)
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("reading a manifest: it has %d objects instead of one", len(objects))
	}
	return &objects[0], nil
}

// Remove deletes the objects of a multi-document YAML manifest, the last one first, each
// with all that it owns, and waits until they are gone. One that is not there is no error.
func (a *API) Remove(ctx context.Context, manifest []byte) error {
	objects, err := documents(manifest)
	if err != nil {
		return err
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	for _, o := range slices.Backward(objects) {
		if err := a.remove(ctx, &o); err != nil {
			return fmt.Errorf("deleting %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

func (a *API) remove(ctx context.Context, object *unstructured.Unstructured) error {
	client := a.client(object)
	err := patiently(ctx, func() error {
		return client.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)})
	})
	for err == nil {
		if _, err = client.Get(ctx, object.GetName(), metav1.GetOptions{}); err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), errors.New("it still exists"))
		case <-time.After(100 * time.Millisecond):
		}
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// createAtOnce is how many objects are created at the same time.
const createAtOnce = 8

// Create creates objects, namespaces first and else several at once and in no order;
// one that exists already is left as it is.
func (a *API) Create(ctx context.Context, objects []unstructured.Unstructured) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	var namespaces, others []unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == "Namespace" {
			namespaces = append(namespaces, o)
		} else {
			others = append(others, o)
		}
	}
	if err := a.createAll(ctx, namespaces); err != nil {
		return err
	}
	return a.createAll(ctx, others)
}

func (a *API) createAll(ctx context.Context, objects []unstructured.Unstructured) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(createAtOnce)
	for i := range objects {
		g.Go(func() error {
			err := a.create(ctx, &objects[i])
			if err != nil && !a.exists(ctx, &objects[i], err) {
				return fmt.Errorf("creating %s %s: %w", objects[i].GetKind(), objects[i].GetName(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// exists says whether an object could not be created because there is one. A Service
// with an address of its own is refused for that address.
func (a *API) exists(ctx context.Context, object *unstructured.Unstructured, err error) bool {
	if !apierrors.IsInvalid(err) {
		return apierrors.IsAlreadyExists(err)
	}
	_, err = a.client(object).Get(ctx, object.GetName(), metav1.GetOptions{})
	return err == nil
}

func (a *API) create(ctx context.Context, object *unstructured.Unstructured) error {
	return patiently(ctx, func() error {
		_, err := a.client(object).Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
		return err
	})
}

// Put makes an object as it is given, also one that exists: what it was given before
// and is not given any more goes. What others have added stays.
func (a *API) Put(ctx context.Context, object *unstructured.Unstructured) error {
	if a.Script != nil {
		manifest, err := object.MarshalJSON()
		if err != nil {
			return err
		}
		return a.Script(ctx, []string{"apply", "--server-side", "--force-conflicts", "--field-manager", fieldManager, "-f", "-"}, manifest)
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	err := patiently(ctx, func() error {
		_, err := a.client(object).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		return err
	})
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// Patch changes fields of an object that is in no namespace, as a JSON merge patch says
// (RFC 7386).
func (a *API) Patch(ctx context.Context, kind schema.GroupVersionResource, name string, patch []byte) error {
	if a.Script != nil {
		return a.Script(ctx, []string{"patch", kind.Resource, name, "--type", "merge", "--patch", string(patch)}, nil)
	}
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return err
	}
	return patiently(ctx, func() error {
		_, err := client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		return err
	})
}

// Delete deletes an object that is in no namespace. One that is not there is no error.
func (a *API) Delete(ctx context.Context, kind schema.GroupVersionResource, name string) error {
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return err
	}
	err = patiently(ctx, func() error { return client.Delete(ctx, name, metav1.DeleteOptions{}) })
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// fieldManager is who mkube is to server-side apply, see
// https://kubernetes.io/docs/reference/using-api/server-side-apply/.
const fieldManager = "mkube"

// client is for an object's kind, in its namespace.
func (a *API) client(object *unstructured.Unstructured) dynamic.ResourceInterface {
	// A guess at the plural, which holds for every kind that mkube itself creates.
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	client := a.dynamic.Resource(resource)
	if namespace := object.GetNamespace(); namespace != "" {
		return client.Namespace(namespace)
	}
	return client
}
