import { createApp } from "vue";
import App from "./App.vue";
import { loadWords } from "./lib/words";
import "./style.css";

await loadWords();
createApp(App).mount("#page");
