import tailwindcss from "@tailwindcss/vite";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// For `npm run dev`: where `edge-llm web` answers.
const server = "http://127.0.0.1:8088";
const paths = ["/chat", "/forget", "/healthz", "/live", "/login", "/logout", "/whoami"];

export default defineConfig({
  plugins: [vue(), tailwindcss()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy allows no data: addresses
    modulePreload: { polyfill: false },
  },
  define: { __VUE_OPTIONS_API__: false },
  server: { proxy: Object.fromEntries(paths.map((path) => [path, server])) },
});
