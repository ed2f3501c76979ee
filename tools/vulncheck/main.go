// Vulncheck looks for known vulnerabilities in the code that a module calls:
//
//	vulncheck [-db URL] [-std] [DIR...]
//
// It fails if one of the modules that the module in DIR (default: .) needs has
// such a function, and the module calls it. What is wrong with Go's standard
// library depends on the Go that is installed and not on the repository: it is
// shown, and is an error with -std only.
//
// Without -db the database is the one in the module golang.org/x/vulndb, of a
// version that is fixed here, so that the same commit gives the same answer,
// and Go's module cache is all it takes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/vuln/scan"
)

// database is the module with the reports; newer is better.
const database = "golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("vulncheck", flag.ContinueOnError)
	f.SetOutput(stderr)
	db := f.String("db", "", "URL of the database (default: "+database+")")
	std := f.Bool("std", false, "fail for vulnerabilities of the standard library too")
	if err := f.Parse(args); err != nil {
		return err
	}
	dirs := f.Args()
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	if *db == "" {
		var err error
		if *db, err = moduleDatabase(ctx); err != nil {
			return err
		}
	}
	bad := 0
	for _, dir := range dirs {
		var out bytes.Buffer
		cmd := scan.Command(ctx, "-C", dir, "-db", *db, "-format", "json", "./...")
		cmd.Stdout, cmd.Stderr = &out, stderr
		err := cmd.Start()
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		called, err := readFindings(&out)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		bad += report(stdout, dir, called, *std)
	}
	if bad > 0 {
		return fmt.Errorf("%d vulnerable functions are called; go tool -modfile=tools/go.mod govulncheck ./... shows from where", bad)
	}
	return nil
}

// moduleDatabase returns the URL of the reports in the module cache, and gets
// them if they are not there.
func moduleDatabase(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", database)
	cmd.Dir = os.TempDir() // outside of any module
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &module); decodeErr != nil {
		return "", fmt.Errorf("go mod download %s: %w", database, errors.Join(err, decodeErr))
	}
	if module.Error != "" {
		return "", fmt.Errorf("no database of vulnerabilities: %s", module.Error)
	}
	path := filepath.ToSlash(filepath.Join(module.Dir, "data", "osv"))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive of Windows
	}
	return (&url.URL{Scheme: "file", Path: path}).String(), nil
}

// A finding is a vulnerable function that is called.
type finding struct {
	id, module, version, fixed string
}

// readFindings reads govulncheck's messages. Findings about a module or a
// package without a function mean that nothing vulnerable is called.
func readFindings(r io.Reader) (map[finding]bool, error) {
	called, complete := make(map[finding]bool), false
	for messages := json.NewDecoder(r); ; {
		var m struct {
			SBOM    json.RawMessage
			Finding *struct {
				OSV          string
				FixedVersion string `json:"fixed_version"`
				Trace        []struct{ Module, Version, Function string }
			}
		}
		switch err := messages.Decode(&m); {
		case err == io.EOF && !complete:
			return nil, errors.New("govulncheck has not said what it looked at")
		case err == io.EOF:
			return called, nil
		case err != nil:
			return nil, err
		}
		complete = complete || m.SBOM != nil
		if m.Finding == nil || len(m.Finding.Trace) == 0 || m.Finding.Trace[0].Function == "" {
			continue
		}
		at := m.Finding.Trace[0]
		called[finding{m.Finding.OSV, at.Module, at.Version, m.Finding.FixedVersion}] = true
	}
}

// report prints what was found in a module and returns how much of it counts.
func report(w io.Writer, dir string, called map[finding]bool, std bool) (bad int) {
	order := func(a, b finding) int {
		return strings.Compare(a.module+" "+a.id, b.module+" "+b.id)
	}
	var inGo []string
	for _, f := range slices.SortedFunc(maps.Keys(called), order) {
		if f.module == "stdlib" && !std {
			inGo = append(inGo, f.id)
			continue
		}
		fixed := "not fixed yet"
		if f.fixed != "" {
			fixed = "fixed in " + f.fixed
		}
		fmt.Fprintf(w, "%s: %s in %s %s, %s: https://pkg.go.dev/vuln/%[2]s\n", dir, f.id, f.module, f.version, fixed)
		bad++
	}
	if len(inGo) > 0 {
		fmt.Fprintf(w, "note: %s: a newer Go repairs its standard library: %s\n", dir, strings.Join(inGo, ", "))
	}
	return bad
}
