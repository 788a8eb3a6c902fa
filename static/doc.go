// Package static carries the built assets inside the program and knows their addresses.
//
// It owns the hashed names: what `npm run build` wrote into dist/, found through dist/manifest.json. It relies on the standard
// library alone. It never builds, compresses or serves anything; web does the serving.
package static
