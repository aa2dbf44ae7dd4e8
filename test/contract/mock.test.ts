import * as mock from "../support/mock.ts"
import { contract } from "./suite.ts"

contract("mocked HttpClient", mock.layer)
