package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "version prints the version of notyet, of Go, and the platform it was built for.",
		Example: `  notyet version
  notyet version --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return showJSON(cmd, thisRelease())
			}
			return show(cmd, version()+"\n")
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// stamped is the version that a release is given by the linker (-X main.stamped=v1.2.3). Nothing else sets it.
var stamped string

// release is what this program was made from.
type release struct {
	Version  string `json:"version"` // devel when built outside a module's release
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisRelease() release {
	b := release{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); stamped != "" {
		b.Version = stamped
	} else if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	return b
}

// version is notyet's own version, that of Go, and the platform.
func version() string {
	b := thisRelease()
	return fmt.Sprintf("notyet %s %s %s", b.Version, b.Go, b.Platform)
}
